"""Token strings and how far apart they are."""
