"""The HTTP service: recordings in, tokens and matches out."""
