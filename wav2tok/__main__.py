"""``python -m wav2tok VERB``: the command line, run from the code in the working folder if there is any."""

from wav2tok.cli import main

if __name__ == "__main__":
    main()
