"""Tokenizing on many machines: Ray Data deals out blocks of files, and one process writes the rows as Parquet."""
