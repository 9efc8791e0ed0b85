"""The assembled product: everything with a thread, a socket or an environment."""
