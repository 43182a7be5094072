"""Retrieval of similar recordings: protocol, views, metrics."""
