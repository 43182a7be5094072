"""The page: ask by voice or file, see and hear what matches, compare, and browse the collection."""
