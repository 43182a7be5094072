"""A Prefect server that is not there, or is another program: one sentence before any work."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import api
from tests.helpers import free_port
from tests.servers import other, silent

PROJECT = Path(__file__).resolve().parents[2]
PAGE = b"HTTP/1.0 200 OK\r\n\r\n<html>hello</html>"


@contextlib.contextmanager
def nothing() -> Iterator[str]:
    yield f"http://127.0.0.1:{free_port()}"


@pytest.mark.services
def test_a_real_server_is_known_as_one(server: str) -> None:
    assert api.problem(server) is None
    assert api.address() == server


@pytest.mark.slow
@pytest.mark.parametrize("flow", ["retrain", "ingest", "schedule"])
@pytest.mark.promise(
    "The Prefect server does not answer, or is another program", "One sentence and exit code 2, before any work."
)
def test_a_server_that_is_none_is_named_within_ten_seconds(flow: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}")
    for there, says in (
        (nothing(), "does not answer (Connection refused)"),
        (other(PAGE), "answers, but not as Prefect does"),
        (silent(), "does not answer"),
    ):
        with there as address:
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", f"flows.{flow}", "--root", tmp_path],
                cwd=PROJECT,
                env=os.environ | {"PREFECT_API_URL": address.replace("//", "//user:hidden@") + "/api"},
                capture_output=True,
                text=True,
                timeout=60,
            )
        assert done.returncode == 2
        (sentence,) = done.stderr.splitlines()
        assert sentence.startswith(f"{flow}: the Prefect server {address}/api (PREFECT_API_URL) {says}")
        assert "hidden" not in done.stdout + done.stderr
        assert time.perf_counter() - start < 15  # ten, and Prefect's own import on a busy machine
        assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
