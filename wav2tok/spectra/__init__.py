"""The spectra of a corpus on disk, and passes of the model over them."""
