"""The recordings of an index for engines that run on many machines, and what they find ranked as here."""
