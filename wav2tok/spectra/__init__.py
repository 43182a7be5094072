"""A corpus' spectra on disk, and passes of the model over them."""
