"""Damage a file again and again, led by which lines of its reader run (atheris, libFuzzer), and see that it is refused.

    python -m tests.fuzz_guided index FOLDER/index.json .fuzz/index -max_total_time=60

reads FOLDER/index.json with other bytes in its place. What runs new lines is kept in the last folder, where the next
call goes on. Anything but a `UserError` ends the process, and the bytes are in a file ``crash-...``.
"""

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["wav2tok", "yaml"]):
    import yaml  # noqa: F401 - read by wav2tok when it needs it

    from tests.readers import READERS
    from wav2tok.errors import UserError


def main() -> None:
    kind, whole, corpus, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="wav2tok-fuzz-") as folder:
        shutil.copytree(Path(whole).parent, folder, dirs_exist_ok=True)
        path = Path(folder, Path(whole).name)

        def read(content: bytes) -> None:
            path.write_bytes(content)
            with contextlib.suppress(UserError):
                READERS[kind](path)

        Path(corpus).mkdir(parents=True, exist_ok=True)
        shutil.copy(whole, Path(corpus, "whole"))
        largest = max(4096, 2 * Path(whole).stat().st_size)
        atheris.Setup([sys.argv[0], corpus, f"-max_len={largest}", f"-artifact_prefix={corpus}/", *options], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
