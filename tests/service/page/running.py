"""``wav2tok demo`` in a process of its own."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def demo(log: Path, *arguments: object) -> Iterator[str]:
    """``wav2tok demo`` with these arguments at a free port, until the block ends; the address of its page."""
    command = [sys.executable, "-m", "wav2tok", "demo", *map(str, arguments), "--port", "0"]
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        end, found = time.monotonic() + 120, None
        while found is None:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, "the page does not come"
            found = re.search(r"open (http://\S+) in a browser", log.read_text())
            time.sleep(0.05)
        yield found[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
