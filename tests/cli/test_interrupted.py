"""Ctrl-C in the middle of every verb that takes time: one sentence, exit code 130, and the verb can be run again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.service.servers import service
from wav2tok.config.parameters import to_dict
from wav2tok.config.schema import Config

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


@dataclass(frozen=True)
class Work:
    """A folder with everything that the verbs read."""

    folder: Path
    environment: dict[str, str]

    def start(self, arguments: str, cwd: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "wav2tok", *arguments.split()], cwd=cwd, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            # A shell that runs the tests in the background has SIGINT ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    def copy(self, to: Path) -> Path:
        shutil.copytree(self.folder, to, symlinks=True)
        return to


@pytest.fixture(scope="module")
def work(
    tiny_corpus: Path, tiny_split: Path, tiny_model: Path, tiny_config: Config, tmp_path_factory: pytest.TempPathFactory
) -> Work:
    folder = tmp_path_factory.mktemp("interrupted") / "work"
    folder.mkdir()
    values = to_dict(tiny_config)
    values["data"]["path"] = "corpus"
    values["gate"] |= {"min_mrr": 0.0, "min_map": 0.0, "min_codebook_use": 0.0, "beat": []}
    values["register"] |= {"min_queries": 4}
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    shutil.copy(tiny_split, folder / "audios.bin")
    shutil.copy(tiny_split.with_suffix(".json"), folder / "audios.json")
    shutil.copytree(tiny_model, folder / "model")
    shutil.copytree(tiny_corpus, folder / "corpus")
    for name in ("arch", "climb"):
        shutil.copytree(tiny_corpus / name, folder / "more" / name)
        shutil.copytree(tiny_corpus / name, folder / "inbox" / name)
    shutil.copy(tiny_corpus / "arch" / "ada_0.flac", folder / "query.flac")
    left = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DVC_"))}
    made = Work(folder, left | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])})
    for arguments in (
        "evaluate --data audios.bin --model model --out report",
        "export --model model --report report --data audios.bin --out export",
        "register --model export --report report --data audios.bin --out registered",
        "index build corpus --model model --out index",
    ):
        _whole(made, arguments, folder)
    return made


def _whole(work: Work, arguments: str, cwd: Path) -> float:
    """Run a verb to its end; returns the seconds that it took."""
    start = time.monotonic()
    process = work.start(arguments, cwd)
    out, err = process.communicate(timeout=600)
    assert process.returncode in (0, 1), (arguments, out[-2000:], err[-3000:])
    assert "Traceback" not in err, err
    return time.monotonic() - start


@pytest.mark.promise(
    "Ctrl-C in the middle of a verb",
    "One sentence and exit code 130; no temporary file and no half of a JSON is left, and the verb can be run again.",
)
@pytest.mark.parametrize("verb", VERBS)
def test_an_interrupted_verb_says_so_and_can_be_run_again(verb: str, work: Work, tmp_path: Path) -> None:
    arguments = VERBS[verb]
    seconds = _whole(work, arguments, work.copy(tmp_path / "timed"))
    place = work.copy(tmp_path / "place")
    for share in SHARES:
        process = work.start(arguments, place)
        time.sleep(share * seconds)
        process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        _, err = process.communicate(timeout=120)
        assert time.monotonic() - asked < 20 + seconds, "it does not end"
        if process.returncode in (0, 1):  # it was faster than the last time
            continue
        # Python itself ends by the signal if it came within an exec(), as of a dataclass; a shell says 130 then, too.
        assert process.returncode in (130, -signal.SIGINT), err
        assert err.splitlines()[-1:] == ["wav2tok: interrupted; finished work is kept."], err
        assert "Traceback" not in err, err
        assert process.returncode < 0 or not list(place.rglob(".wav2tok-*"))
        for path in place.rglob("*.json"):
            json.loads(path.read_text())
    _whole(work, arguments, place)


@pytest.mark.parametrize(("verb", "options"), [("serve", ["--model", "model"]), ("demo", ["corpus"])])
def test_a_service_ends_as_it_should(verb: str, options: list[str], work: Work) -> None:
    """Ctrl-C is how a person ends it, so it is not a failure."""
    with service(work.folder, *options, verb=verb, environment=work.environment) as running:
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(30) == 0
        assert "Traceback" not in running.log.read_text()
