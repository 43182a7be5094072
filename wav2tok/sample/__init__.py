"""A synthetic corpus of hummed melodies, so that every command can be tried without a download."""
