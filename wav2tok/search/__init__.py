"""Collections of token strings on disk, and search in them."""
