"""Ctrl-C in the middle of every verb that takes time: one sentence, exit code 130, and the verb can be run again."""

import json
import signal
import time
from pathlib import Path

import pytest

from tests.cli.works import Work
from tests.service.servers import service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

VERBS = {
    "sample": "sample new --melodies 8 --singers 6",
    "validate": "validate corpus --out new",
    "split": "split corpus --out new.bin",
    "cluster": "cluster --data audios.bin --out new",
    "train": "train --data audios.bin --out new",
    "evaluate": "evaluate --data audios.bin --model model --out new",
    "export": "export --model model --out new",
    "register": "register --model export --report report --data audios.bin --out new",
    "drift": "drift --model export --out new corpus",
    "ingest": "ingest inbox --quarantine new --out new.json --settle 0",
    "pull": "pull models:/wav2tok@champion --out new",
    "tokenize": "tokenize corpus --model model",
    "index build": "index build corpus --model model --out new",
    "index add": "index add more --model model --index index",
    "index export": "index export --format opensearch --index index --out new",
    "search": "search query.flac --model model --index index",
    "spot": "spot query.flac --model model --index index",
    "benchmark": "benchmark --recordings 96 --seconds 0.1",
    "doctor": "doctor",
}
SHARES = (0.4, 0.65, 0.9)
"""When the interrupts come, as shares of the verb's whole time."""


@pytest.mark.promise(
    "Ctrl-C in the middle of a verb",
    "One sentence and exit code 130; no temporary file and no half of a JSON is left, and the verb can be run again.",
)
@pytest.mark.parametrize("verb", VERBS)
def test_an_interrupted_verb_says_so_and_can_be_run_again(verb: str, work: Work, tmp_path: Path) -> None:
    arguments = VERBS[verb]
    seconds = work.run(arguments, work.copy(tmp_path / "timed"))
    place = work.copy(tmp_path / "place")
    for share in SHARES:
        process = work.start(arguments, place)
        time.sleep(share * seconds)
        process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        _, err = process.communicate(timeout=120)
        assert time.monotonic() - asked < 20 + seconds, "it does not end"
        if process.returncode in (0, 1):  # it was faster than the first time, and its work is done
            break
        # Python itself ends by the signal if it came within an exec(), as of a dataclass; a shell says 130 then, too.
        assert process.returncode in (130, -signal.SIGINT), err
        assert err.splitlines()[-1:] == ["wav2tok: interrupted; finished work is kept."], err
        assert "Traceback" not in err, err
        assert process.returncode < 0 or not list(place.rglob(".wav2tok-*"))
        for path in place.rglob("*.json"):
            json.loads(path.read_text())
    else:
        work.run(arguments, place)


@pytest.mark.parametrize(("verb", "options"), [("serve", ["--model", "model"]), ("demo", ["corpus"])])
def test_a_service_ends_as_it_should(verb: str, options: list[str], work: Work) -> None:
    """Ctrl-C is how a person ends it, so it is not a failure."""
    with service(work.folder, *options, verb=verb, environment=work.environment) as running:
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(30) == 0
        assert "Traceback" not in running.log.read_text()
