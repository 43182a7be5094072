"""A synthetic corpus of hummed melodies, to try every command on without a download."""
