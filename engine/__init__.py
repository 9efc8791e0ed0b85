"""What a care episode may do, and the proof of what it did: pure, no I/O."""
