"""Care pathways as data, their loader and their drawings."""
