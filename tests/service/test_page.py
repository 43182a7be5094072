"""The page about the service is true: its commands are run as they stand, but for names of files and ports."""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.service.servers import service
from wav2tok.service.app import create_app
from wav2tok.service.settings import KEYS, Settings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "pages" / "howto" / "serve.md").read_text(encoding="utf-8")
BLOCKS = dict(zip(re.findall(r"^## (.*)$", PAGE, flags=re.M), re.split(r"^## .*$", PAGE, flags=re.M)[1:], strict=True))


def curls(section):
    """The lines of a section that ask the service."""
    shell = "".join(re.findall(r"^```sh\n(.*?)^```$", BLOCKS[section], flags=re.M | re.S))
    return [line for line in shell.splitlines() if re.search(r"\bcurl\b", line) and ":8000" in line]


@pytest.mark.services
def test_its_requests(tmp_path, graph, index, tiny_corpus):
    recording = tiny_corpus / "fall" / "eva_0.flac"
    for name in ("query.flac", "other.mp3"):
        shutil.copy(recording, tmp_path / name)
    (tmp_path / "notes.txt").write_text("no audio")
    (tmp_path / "keys").write_text("k1\n")

    def run(line, url):
        line = line.replace("http://127.0.0.1:8000", url).replace("curl ", "curl -s ")
        return subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    with service(tmp_path, "--model", graph, "--index", index, environment={KEYS: "k1"}) as running:
        (line,) = curls("Let others in")
        assert json.loads(run(line, running.url))["recordings"][0]["name"] == "query.flac"
    with service(tmp_path, "--model", graph, "--index", index) as running:
        one, two, raw, search, refused = (json.loads(run(line, running.url)) for line in curls("Ask"))
        assert [len(answer["recordings"]) for answer in (one, two, raw, search)] == [1, 2, 1, 1]
        assert one["recordings"][0]["tokens"] == raw["recordings"][0]["tokens"]
        assert len(search["recordings"][0]["matches"]) == 3
        shown = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", BLOCKS["Ask"], flags=re.M | re.S)]
        assert refused == shown[1]
        assert set(one) == set(shown[0])
        assert set(one["recordings"][0]) == set(shown[0]["recordings"][0])
        watched = [run(line, running.url) for line in curls("Watch")]
        assert len(watched) == 5
        assert all(watched)
        assert json.loads(run(*curls("Follow the champion"), running.url))["changed"] is False


def test_the_table_of_codes_names_what_the_schema_declares():
    declared = create_app(Settings("m", Path("i"))).openapi()["paths"]
    codes = {code for path in ("/tokenize", "/search") for code in declared[path]["post"]["responses"]}
    assert set(re.findall(r"^\| (\d{3}) \|", PAGE, flags=re.M)) == codes - {"200", "500"}


def test_the_limits_that_it_names_are_the_defaults():
    settings = Settings("m")
    for value in (f"{settings.max_bytes >> 20} MiB", f"{settings.max_seconds:g} s in a", f"{settings.timeout:g} s",
                  f"{settings.max_requests} requests"):  # fmt: skip
        assert value in PAGE


def test_the_line_for_mlflows_server_makes_the_body_that_it_takes(tmp_path, tiny_corpus):
    """What is sent: the server itself is tested in tests/release/test_pyfunc.py."""
    shutil.copy(tiny_corpus / "fall" / "eva_0.flac", tmp_path / "query.flac")
    (line,) = re.findall(r"^(printf .*) \| curl .* -d @- \S+/invocations$", PAGE, flags=re.M)
    made = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    ((row,),) = json.loads(made).values()
    assert base64.b64decode(row["audio"]) == (tmp_path / "query.flac").read_bytes()
