"""What ``python -m wav2tok`` and the command ``wav2tok`` run: the command line, and Ctrl-C while it is imported."""

import atexit
import signal
import sys


def main() -> None:
    """Run the command line."""
    # While Python takes itself down, Ctrl-C would end a verb that has finished as if it had been interrupted. What is
    # registered first runs last.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    try:
        from wav2tok.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("wav2tok: interrupted; finished work is kept.\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
