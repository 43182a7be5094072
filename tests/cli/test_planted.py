"""A password in the store's address is in no output, log or file of a verb, if the store is away or refuses.

(`tests/test_planted_secrets.py` looks for secrets of everything in a whole graph.)
"""

import contextlib
import itertools
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from tests.helpers import free_port
from tests.servers import other
from wav2tok.cli import app
from wav2tok.stages.export import export
from wav2tok.tracking import store

PLANTED = "planted-in-an-address"
CHAMPION = "--model models:/tiny@champion"
ASK = {
    "train": "--data audios.bin --out new",
    "evaluate": "--data audios.bin --model model --out new",
    "drift": f"corpus {CHAMPION} --out new",
    "labels": f"corpus {CHAMPION} --out new.json",
    "register": "--model export --data audios.bin --out new --unapproved --why so",
    "promote": "1 --why so",
    "rollback": "",
    "history": "",
    "pull": "models:/tiny@champion --out new",
    "reproduce": "models:/tiny@champion --out new",
    "tokenize": f"corpus {CHAMPION}",
    "search": f"corpus/arch/ada_0.flac --index index {CHAMPION}",
    "spot": f"corpus/arch/ada_0.flac --index index {CHAMPION}",
    "listen": f"--pcm s16le {CHAMPION}",
    "serve": f"--port 0 {CHAMPION}",
    "demo": f"corpus --port 0 {CHAMPION}",
    "index build": f"corpus --out new {CHAMPION}",
    "index add": f"corpus --index index {CHAMPION}",
}
"""Verbs that need the store, and so end with a sentence that names it."""
GO_ON = {
    "changes": "--data audios.bin --model models:/tiny@champion --out new",
    "export": "--model model --out new",
    "ingest": "inbox --set data.path=corpus --settle 0",
    "replay": f"log.jsonl --index index {CHAMPION}",
    "doctor": "",
}
"""Verbs that say at most that it is away."""
COMPUTE = {
    *("sample", "synthesize", "validate", "split", "cluster", "models", "benchmark", "params", "accept"),
    *("index remove", "index stats", "index verify", "index export"),
}
"""Verbs that read no address of a store."""


def _words(command: Any, *verb: str) -> set[str]:
    children = getattr(command, "commands", {})
    return set().union(*(_words(child, *verb, word) for word, child in children.items())) if children else {
        " ".join(verb)
    }  # fmt: skip


def test_every_verb_is_tried() -> None:
    assert {*ASK, *GO_ON, *COMPUTE} == _words(get_command(app))


@pytest.fixture(scope="module")
def exported(tiny_model, tmp_path_factory):
    out = tmp_path_factory.mktemp("planted") / "export"
    export(tiny_model, None, out)
    return out


@pytest.fixture
def place(folder, tiny_corpus, tiny_split, tiny_model, exported):
    shutil.copytree(tiny_corpus, folder / "corpus")
    shutil.copytree(tiny_corpus / "arch", folder / "inbox" / "new")
    shutil.copy(tiny_split, folder / "audios.bin")
    shutil.copytree(tiny_model, folder / "model")
    shutil.copytree(exported, folder / "export")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)  # reproduce looks for commits first
    return folder


@contextlib.contextmanager
def _away() -> Iterator[str]:
    yield f"http://127.0.0.1:{free_port()}"


@contextlib.contextmanager
def _no_database() -> Iterator[str]:
    yield f"postgresql+psycopg://127.0.0.1:{free_port()}/x?password={PLANTED}"


STORES = {
    "away": _away,
    "refusing": lambda: other(b"HTTP/1.0 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"),
    "broken": lambda: other(b"HTTP/1.0 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"),
    "no database": _no_database,
}


@pytest.mark.promise(
    "The MLflow store is away, refuses or fails, and its address holds a password",
    "Each verb that needs it ends with a sentence that names it; no verb prints or writes the password.",
)
@pytest.mark.parametrize(("verb", "kind"), [*itertools.product(ASK, STORES), *((verb, "refusing") for verb in GO_ON)])
def test_no_verb_shows_the_password(verb, kind, place, cli, monkeypatch, caplog):
    monkeypatch.setattr(store, "_USABLE", set())
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with STORES[kind]() as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address.replace("://", f"://someone:{PLANTED}@"))
        done = cli(*verb.split(), *(ASK | GO_ON)[verb].split())
    assert PLANTED not in done.out + done.err + caplog.text
    assert "Traceback" not in done.err
    assert not [path for path in place.rglob("*") if path.is_file() and PLANTED.encode() in path.read_bytes()]
    if verb in ASK:
        assert done.code == 2, done
        assert "127.0.0.1" in done.err.splitlines()[-1]
