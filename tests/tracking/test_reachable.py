"""Stores that cannot be used are noticed within five seconds, before any work, in one sentence without secrets."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers import free_port
from tests.servers import dripping, other, silent
from wav2tok.errors import UserError
from wav2tok.tracking import lookup, reachable, store
from wav2tok.tracking.reachable import problem


@pytest.mark.promise(
    "The MLflow server does not answer, or is another program", "One sentence within five seconds, before any work."
)
def test_servers_that_do_not_answer() -> None:
    start = time.perf_counter()
    assert "Connection refused" in str(problem(f"http://127.0.0.1:{free_port()}", None, writing=True))
    with other(b"HTTP/1.0 404 Not Found\r\n\r\n") as uri:
        assert "not as MLflow does (HTTP 404)" in str(problem(uri, None, writing=True))
    with other(b"SSH-2.0-OpenSSH_9.2\r\n") as uri:
        assert "not as MLflow does" in str(problem(uri, None, writing=True))
    with other(b"HTTP/1.0 401 Unauthorized\r\n\r\n") as uri:
        assert problem(uri, None, writing=True) is None
    hosted = {"api/2.0/mlflow/experiments/search?max_results=1": b"HTTP/1.0 200 OK\r\n\r\n{}"}
    with other(b"HTTP/1.0 404 Not Found\r\n\r\n", **hosted) as uri:  # a store without a page about its health
        assert problem(uri, None, writing=True) is None
    assert time.perf_counter() - start < 5
    with silent() as uri:
        assert "does not answer" in str(problem(uri, None, writing=True))
    assert time.perf_counter() - start < 12


@pytest.mark.promise(
    "A store on a database whose driver is missing, or that does not answer", "One sentence within five seconds."
)
def test_databases_of_servers() -> None:
    assert "needs the package psycopg2" in str(problem("postgresql://a:b@127.0.0.1:1/x", None, writing=True))
    assert "needs the package pyodbc" in str(problem("mssql+pyodbc://a:b@127.0.0.1:1/x", None, writing=True))
    assert "does not answer" in str(problem("postgresql+psycopg://a:b@127.0.0.1:1/x", None, writing=True))
    with silent() as uri:
        start = time.perf_counter()
        assert "does not answer" in str(problem(f"postgresql+psycopg://a:b@{uri[7:]}/x", None, writing=True))
        assert time.perf_counter() - start < 7


@pytest.mark.promise(
    "The store databricks without an address, or at one that does not answer", "One sentence within five seconds."
)
def test_databricks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own client waits five minutes."""
    for name in ("DATABRICKS_HOST", "DATABRICKS_CONFIG_PROFILE", "DATABRICKS_RUNTIME_VERSION"):
        monkeypatch.delenv(name, raising=False)
    profiles = tmp_path / "profiles"
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(profiles))
    assert "profiles has no host in [DEFAULT]" in str(problem("databricks", None, writing=True))
    assert "profiles has no host in [team]" in str(problem("databricks://team", None, writing=True))
    with other(b"HTTP/1.0 401 Unauthorized\r\n\r\n") as uri:
        profiles.write_text(f"[DEFAULT]\nhost = 127.0.0.1:{free_port()}\n[team]\nhost = {uri}\ntoken = 10%-off\n")
        assert problem("databricks://team", None, writing=True) is None
        assert "does not answer" in str(problem("databricks", None, writing=True))
        monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "team")
        assert problem("databricks", None, writing=True) is None
    with silent() as uri:
        monkeypatch.setenv("DATABRICKS_HOST", uri)
        start = time.perf_counter()
        assert "does not answer" in str(problem("databricks", None, writing=True))
        assert time.perf_counter() - start < 7
    monkeypatch.delenv("DATABRICKS_HOST")
    profiles.write_text("host = without a section")
    assert "profiles cannot be read" in str(problem("databricks", None, writing=True))


def _made(path: Path, *tables: str) -> Path:
    with contextlib.closing(sqlite3.connect(path)) as database:
        for table in tables:
            database.execute(f"CREATE TABLE {table} (a)")
    return path


@pytest.mark.promise(
    "An SQLite store that is corrupt, locked or of another program",
    "One sentence that names it, before any work.",
)
def test_files_that_are_no_store(tmp_path: Path) -> None:
    def said(path: Path, *, writing: bool = True) -> str | None:
        return problem(f"sqlite:///{path}", path, writing=writing)

    good = _made(tmp_path / "good.db", *reachable._OURS)
    assert said(good) is None
    assert said(tmp_path / "new.db") is None
    assert "not a folder" in str(said(tmp_path / "none" / "new.db"))
    assert "another program" in str(said(_made(tmp_path / "foreign.db", "songs")))
    (tmp_path / "junk.db").write_bytes(b"not a database" * 100)
    assert "cannot be read (file is not a database)" in str(said(tmp_path / "junk.db"))
    damaged = bytearray(good.read_bytes())
    damaged[100:3000] = b"\xff" * 2900
    (tmp_path / "damaged.db").write_bytes(damaged)
    assert "cannot be read" in str(said(tmp_path / "damaged.db"))
    os.mkfifo(tmp_path / "pipe.db")
    assert said(tmp_path / "pipe.db") == "is not a file"
    with contextlib.closing(sqlite3.connect(good)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        start = time.perf_counter()
        assert "locked" in str(said(good))
        assert time.perf_counter() - start < 6


@pytest.mark.parametrize("uri", ["http://[::1", "http://a b", "https://a\tb:5000"])
def test_what_is_no_address(uri: str) -> None:
    assert problem(uri, None, writing=True) == "is not a valid address"


def test_a_verb_says_so_before_its_work_and_hides_the_password(
    tmp_path: Path, tiny_split: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``train`` and ``evaluate`` in a real process: nothing is computed, and nothing is written."""
    uri = f"http://someone:hunter2222@127.0.0.1:{free_port()}/team"
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": uri,
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    for verb in (["train"], ["evaluate", "--model", str(tiny_model)]):
        command = [sys.executable, "-m", "wav2tok", *verb, "--data", str(tiny_split), "--out", str(tmp_path / "out")]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        (sentence,) = done.stderr.splitlines()
        assert f"the MLflow store {uri.replace('someone:hunter2222@', '')} does not answer" in sentence
        assert "hunter2222" not in done.stdout + done.stderr
        assert not (tmp_path / "out").exists()


def test_an_answer_is_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_USABLE", set())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{_made(tmp_path / 'foreign.db', 'songs')}")
    with pytest.raises(UserError, match=r"the MLflow store sqlite:///.*foreign\.db is the database of another program"):
        store.connect()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/new.db")
    store.require_usable()
    asked: list[str] = []
    monkeypatch.setattr(reachable, "problem", lambda *arguments, **options: asked.append("again"))
    store.require_usable()
    assert asked == []


@pytest.mark.promise(
    "A store in a folder that takes no files whatever its permissions say", "One sentence within five seconds."
)
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_a_folder_that_takes_no_files() -> None:
    path = Path("/proc/store.db")
    assert problem(f"sqlite:///{path}", path, writing=True) == "cannot be made, because /proc takes no files"
    assert problem("file:///proc/runs", None, writing=True) == "cannot be written, because /proc takes no files"


@pytest.mark.promise("A store in memory, sqlite://", "It is refused: its runs would be lost when the verb ends.")
@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite+pysqlite://"])
def test_a_store_in_memory(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(UserError, match="is in memory, and would be gone when the verb ends"):
        store.require_usable()


@pytest.mark.promise(
    "A store that sends its answer byte by byte, or something else than HTTP", "One sentence within five seconds."
)
def test_looking_up_a_version_takes_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachable, "SECONDS", 1.0)
    with dripping() as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        start = time.perf_counter()
        with pytest.raises(UserError, match="does not answer within"):
            lookup.find("models:/tiny@champion")
        assert time.perf_counter() - start < 3
    with other(b"SSH-2.0-OpenSSH_9.2\r\n") as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(UserError, match="answers, but not as MLflow does"):
            lookup.find("models:/tiny@champion")
