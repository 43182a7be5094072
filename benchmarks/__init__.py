"""What the project measures itself against, and the programs that measure it."""
