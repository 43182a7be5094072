"""Which stage of the graph a verb is, and how long the stages took the last time: one line when DVC runs the verb."""

import contextlib
import importlib.util
import os
import time
from collections.abc import Iterator
from pathlib import Path

from wav2tok.errors import UserError
from wav2tok.files import read_json, write_json
from wav2tok.untrusted import YAML_BYTES, parse_yaml, read_text

SECONDS = Path(".dvc", "tmp", "stage-seconds.json")
"""How many seconds each stage took when it last ran in this project; git ignores it."""


@contextlib.contextmanager
def announced() -> Iterator[None]:
    """Print ``stage 4 of 7: train`` if DVC runs this process, and remember how long the block took.

    The block ends with `SystemExit`.

    DVC says in the environment which stage it runs. The time left is that of the last complete runs of this and the
    following stages; without them it is not guessed.
    """
    root, name = os.environ.get("DVC_ROOT"), os.environ.get("DVC_STAGE")
    names = _stages(Path(root)) if root and name else []
    if name not in names:
        yield
        return
    seconds = _read(Path(str(root)))
    print(_line(names, name, seconds), flush=True)
    start = time.monotonic()
    try:
        yield
    except SystemExit as end:
        if not end.code:  # only what ended well counts
            _remember(Path(str(root)), seconds | {name: round(time.monotonic() - start, 1)})
        raise


def _remember(root: Path, seconds: dict[str, float]) -> None:
    with contextlib.suppress(OSError):
        write_json(root / SECONDS, seconds)


def _stages(root: Path) -> list[str]:
    """The names of the stages in ``dvc.yaml``, in their order; none if it cannot be read."""
    if importlib.util.find_spec("yaml") is None:
        return []
    try:
        return list(parse_yaml(read_text(root / "dvc.yaml", YAML_BYTES))["stages"])
    except (UserError, KeyError, TypeError, ValueError):
        return []


def _read(root: Path) -> dict[str, float]:
    try:
        values = read_json(root / SECONDS)
    except UserError:
        return {}
    return values if isinstance(values, dict) else {}


def _line(names: list[str], name: str, seconds: dict[str, float]) -> str:
    """For example: stage 4 of 7: train; this and the rest took 3 min 20 s the last time."""
    first = names.index(name)
    line = f"stage {first + 1} of {len(names)}: {name}"
    rest = [seconds.get(later) for later in names[first:]]
    known = [taken for taken in rest if taken is not None]
    if len(known) < len(rest):
        return line
    minutes, left = divmod(round(sum(known)), 60)
    return f"{line}; it and the rest took {f'{minutes} min ' if minutes else ''}{left} s the last time"
