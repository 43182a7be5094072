"""A password in the store's address is in no output, log or file of a verb, if the store is away or refuses.

(`tests/test_planted_secrets.py` looks for secrets of everything in a whole graph.)
"""

import contextlib
import shutil
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
VERBS = {
    "sample": "c --melodies 1 --singers 1",
    "synthesize": "--out c --words 1 --voices 1",
    "ingest": "inbox --set data.path=corpus --settle 0",
    "validate": "corpus --out new",
    "split": "corpus --out new.bin",
    "cluster": "--data audios.bin --out new --set codebook.num_tokens=4",
    "train": "--data audios.bin --out new",
    "evaluate": "--data audios.bin --model model --out new",
    "drift": f"corpus {CHAMPION} --out new",
    "labels": f"corpus {CHAMPION} --out new.json",
    "changes": "--data audios.bin --model models:/tiny@champion --out new",
    "export": "--model model --out new",
    "register": "--model export --data audios.bin --out new --unapproved --why so",
    "promote": "1 --why so",
    "rollback": "",
    "history": "",
    "pull": "models:/tiny@champion --out new",
    "reproduce": "models:/tiny@champion --out new",
    "models": "",
    "tokenize": f"corpus {CHAMPION}",
    "search": f"corpus/arch/ada_0.flac --index index {CHAMPION}",
    "spot": f"corpus/arch/ada_0.flac --index index {CHAMPION}",
    "listen": f"--pcm s16le {CHAMPION}",
    "serve": f"--port 0 {CHAMPION}",
    "demo": f"corpus --port 0 {CHAMPION}",
    "benchmark": "--recordings 1",
    "doctor": "",
    "params": "",
    "index build": f"corpus --out new {CHAMPION}",
    "index add": f"corpus --index index {CHAMPION}",
    "index remove": "corpus --index index",
    "index stats": "--index index",
    "index verify": "--index index",
    "index export": "--index index --format opensearch --out new",
}
ASK = {
    *("train", "evaluate", "drift", "labels", "register", "promote", "rollback", "history", "pull"),
    *("reproduce", "tokenize", "search", "spot", "listen", "serve", "demo", "index build", "index add"),
}
"""Those that need the store, and so end with a sentence that names it."""
QUICK = ASK | {"changes", "export", "ingest", "validate", "split", "models", "doctor", "params", "index stats"}
"""The others compute, and read no address."""


def _words(command: Any, *verb: str) -> set[str]:
    children = getattr(command, "commands", {})
    return set().union(*(_words(child, *verb, word) for word, child in children.items())) if children else {
        " ".join(verb)
    }  # fmt: skip


def test_every_verb_is_tried() -> None:
    assert set(VERBS) == _words(get_command(app))


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
@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("verb", sorted(QUICK))
def test_no_verb_shows_the_password(verb, kind, place, cli, monkeypatch, caplog):
    monkeypatch.setattr(store, "_USABLE", set())
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with STORES[kind]() as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address.replace("://", f"://someone:{PLANTED}@"))
        done = cli(*verb.split(), *VERBS[verb].split())
    assert PLANTED not in done.out + done.err + caplog.text
    assert "Traceback" not in done.err
    assert not [path for path in place.rglob("*") if path.is_file() and PLANTED.encode() in path.read_bytes()]
    if verb in ASK:
        assert done.code == 2, done
        assert "127.0.0.1" in done.err.splitlines()[-1]
