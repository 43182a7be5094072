"""``python -m wav2tok`` is ``wav2tok``."""

from wav2tok.cli import main

if __name__ == "__main__":
    main()
