"""Measuring time and memory, and the best that the machine can do."""
