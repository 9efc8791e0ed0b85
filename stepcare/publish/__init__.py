"""The log as others can verify it: tiles and signed checkpoints, made from what was committed."""
