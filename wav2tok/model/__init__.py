"""The network: front end, encoder, codebook, and its checkpoints. Needs torch."""
