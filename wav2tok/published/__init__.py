"""The published trainer's command line, read as parameters of this project."""
