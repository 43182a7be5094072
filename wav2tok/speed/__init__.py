"""Measuring time and memory, and what the machine could do at best."""
