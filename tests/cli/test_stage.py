"""Under DVC a verb says which stage it is, and how long it and the rest took the last time."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli


@pytest.fixture
def project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three stages, in the middle one of which DVC runs the verb."""
    (folder / "dvc.yaml").write_text("stages: {first: {cmd: a}, second: {cmd: b}, third: {cmd: c}}\n")
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.setenv("DVC_STAGE", "second")
    return folder


def seconds(project: Path) -> dict[str, float]:
    """What is remembered."""
    return json.loads((project / ".dvc" / "tmp" / "stage-seconds.json").read_text())


def test_the_stage_and_its_seconds(project: Path, cli: Cli) -> None:
    assert cli("params").out.splitlines()[0] == "stage 2 of 3: second"
    assert 0 <= seconds(project)["second"] < 60


def test_time_left_is_that_of_the_last_run(project: Path, cli: Cli) -> None:
    cli("params")
    (project / ".dvc" / "tmp" / "stage-seconds.json").write_text('{"first": 500, "second": 62.4, "third": 3}')
    first = cli("params").out.splitlines()[0]
    assert first == "stage 2 of 3: second; it and the rest took 1 min 5 s the last time"
    assert seconds(project)["second"] < 60
    assert seconds(project)["third"] == 3


def test_a_verb_that_fails_is_not_remembered(project: Path, cli: Cli) -> None:
    assert cli("params", "--set", "no.such=1").code == 2
    assert not (project / ".dvc" / "tmp").exists()


@pytest.mark.parametrize("text", ["stages: {other: {cmd: a}}", "not: a graph", "{", None])
def test_nothing_is_said_of_a_stage_that_is_not_in_the_graph(project: Path, cli: Cli, text: str | None) -> None:
    (project / "dvc.yaml").unlink() if text is None else (project / "dvc.yaml").write_text(text)
    shown = cli("params")
    assert (shown.code, "stage" in shown.out.splitlines()[0]) == (0, False)


def test_nothing_is_said_without_dvc(cli: Cli) -> None:
    assert not cli("params").out.startswith("stage")
