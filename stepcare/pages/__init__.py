"""The pages people work in: made on the server, complete without a script, the same commands through the same door."""
