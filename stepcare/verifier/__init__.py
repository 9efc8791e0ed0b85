"""Check the log without us: stands alone, needs Python and `cryptography`, imports nothing else of Stepcare."""
