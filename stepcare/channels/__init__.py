"""Channels: the ways a message leaves the house, each with an honest word on how it went."""
