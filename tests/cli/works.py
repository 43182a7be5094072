"""A folder with all that the verbs read, and verbs as processes of their own in copies of it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Work:
    """A folder with everything that the verbs read."""

    folder: Path
    environment: dict[str, str]

    def start(self, arguments: str, cwd: Path) -> subprocess.Popen[str]:
        """Start a verb."""
        return subprocess.Popen(
            [sys.executable, "-m", "wav2tok", *arguments.split()], cwd=cwd, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            # A shell that runs the tests in the background has SIGINT ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    def run(self, arguments: str, cwd: Path) -> float:
        """Run a verb to its end; returns the seconds that it took."""
        start = time.monotonic()
        process = self.start(arguments, cwd)
        out, err = process.communicate(timeout=600)
        assert process.returncode in (0, 1), (arguments, out[-2000:], err[-3000:])
        assert "Traceback" not in err, err
        return time.monotonic() - start

    def copy(self, to: Path) -> Path:
        """A copy of the folder."""
        shutil.copytree(self.folder, to, symlinks=True)
        return to


def environment() -> dict[str, str]:
    """That of the tests, without MLflow's and DVC's variables, and with this package."""
    left = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DVC_"))}
    return left | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
