"""The commands of the command line, one module a family; each loads what it needs when it runs."""
