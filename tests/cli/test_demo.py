"""Which recordings demo takes."""

import socket
from pathlib import Path

import pytest

from wav2tok.cli import demo


@pytest.fixture
def served(monkeypatch, tmp_path):
    """The settings that demo would serve with, in a folder without recordings."""
    from wav2tok.service import server

    asked = []
    monkeypatch.setattr(server, "serve", lambda settings, port, show: asked.append((settings, port, show)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(demo, "MELODIES", 2)
    monkeypatch.setattr(demo, "SINGERS", 1)
    return asked


def test_a_sample_is_made_once_where_there_are_no_recordings(served, cli, tmp_path):
    assert cli("demo").code == 0
    (settings, port, show), folder = served[0], tmp_path / "cache" / "wav2tok" / "sample-2x1"
    assert (settings.recordings, settings.model, settings.loopback, port, show) == (
        folder, "wav2tok:humming", True, 8080, False
    )  # fmt: skip
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*.flac")}
    assert len(files) == 2
    assert cli("demo").code == 0
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.flac")} == files


@pytest.mark.parametrize("wrong", [("--model", "nope"), ("--model", "models:/a/1"), ("--device", "cuda:99")])
def test_no_sample_is_made_if_the_service_would_not_start(wrong, served, cli, tmp_path):
    assert cli("demo", *wrong).code == 2
    assert not (tmp_path / "cache" / "wav2tok" / "sample-2x1").exists()
    assert served == []


def test_no_sample_is_made_if_the_port_is_in_use(served, cli, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        ended = cli("demo", "--port", str(other.getsockname()[1]))
    assert (ended.code, served) == (2, [])
    assert "cannot be used" in ended.err
    assert not (tmp_path / "cache").exists()


def test_recordings_in_data_come_before_the_sample_and_a_named_folder_before_both(served, cli, tiny_corpus):
    Path("data").symlink_to(tiny_corpus)
    assert cli("demo").code == 0
    assert cli("demo", tiny_corpus, "--open").code == 0
    assert [settings.recordings for settings, _, _ in served] == [Path("data"), tiny_corpus]
    assert [show for _, _, show in served] == [False, True]


def test_a_folder_without_recordings_is_refused(served, cli, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        ended = cli("demo", folder)
        assert ended.code == 2
        assert str(folder) in ended.err
    assert served == []
