"""The service shell: HTTP in front of the one door. What is decided, and who may see what, is decided elsewhere."""
