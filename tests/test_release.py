"""The life of four models, from the gate to the archive: on a real server with PostgreSQL and authentication.

First, worse, better, refused: each is evaluated, exported and registered by the verbs that a user runs, each in a
process of its own. Two are registered at once, the champion is rolled back, and a person approves the last one.
"""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml

from tests import servers
from tests.registrations import alias
from tests.stages.conftest import Contest, contest  # noqa: F401  (a fixture)
from wav2tok.config.parameters import to_dict

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.timeout(1800)]
NAME = "life"


class Life:
    """A working folder with parameters, where verbs run as processes against the server."""

    def __init__(self, root: Path, found: Contest, environment: dict[str, str]) -> None:
        self.root, self.contest, self.environment = root, found, environment
        values = to_dict(found.config)
        values["register"] |= {"name": NAME, "experiment": NAME}
        (root / "params.yaml").write_text(yaml.safe_dump(values))

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "wav2tok", *map(str, arguments)], cwd=self.root, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def verb(self, *arguments: object, code: int = 0) -> str:
        out, err = (process := self.start(*arguments)).communicate(timeout=500)
        assert process.returncode == code, out + err
        return err if code else out

    def evaluate(self, model: str, *sets: str) -> None:
        """Evaluate and export a model of the contest into the folders ``MODEL-report`` and ``MODEL-export``."""
        options = [part for one in sets for part in ("--set", one)]
        self.verb("evaluate", "--data", self.contest.data, "--model", self.contest.models[model],
                  "--out", f"{model}-report", "--no-track", *options)  # fmt: skip
        self.export(model)

    def export(self, model: str, *more: str) -> None:
        folders = ["--report", f"{model}-report", "--out", f"{model}-export"]
        self.verb("export", "--model", self.contest.models[model], *folders, *more)

    def registration(self, model: str, out: str, *sets: str) -> list[object]:
        options = [part for one in sets for part in ("--set", one)]
        return ["register", "--model", f"{model}-export", "--report", f"{model}-report", "--data", self.contest.data,
                "--out", out, *options]  # fmt: skip

    def register(self, model: str, *sets: str) -> dict[str, Any]:
        self.verb(*self.registration(model, f"{model}-registered", *sets))
        return self.outcome(f"{model}-registered")

    def outcome(self, folder: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / folder / "registered.json").read_text())
        return found

    def story(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.verb("history").splitlines()]


@pytest.fixture
def life(
    tmp_path: Path,
    contest: Contest,  # noqa: F811
    mlflow_server: servers.Tracking,
    monkeypatch: pytest.MonkeyPatch,
) -> Life:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DVC_"))}
    for name, value in mlflow_server.environment.items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(mlflow_server.uri)
    return Life(tmp_path, contest, kept | mlflow_server.environment | {"OMP_NUM_THREADS": "1"})


def clauses(found: dict[str, Any]) -> dict[str, bool]:
    return {clause["name"]: clause["met"] for clause in found["comparisons"][-1]["clauses"]}


def test_the_life_of_four_models(life: Life, mlflow_server: servers.Tracking) -> None:
    # Nobody without a password gets in.
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{mlflow_server.uri}/api/2.0/mlflow/experiments/search?max_results=1")

    # The first one passes the gate and is champion.
    life.evaluate("fair")
    first = life.register("fair")
    assert (first["version"], first["alias"]) == ("1", "champion")

    # The worse one passes too, and stays challenger.
    life.evaluate("poor")
    worse = life.register("poor")
    assert (worse["version"], worse["alias"], clauses(worse)["gain"]) == ("2", "challenger", False)
    assert alias(NAME) == "1"

    # One that does not clearly beat a baseline is refused: neither exported nor registered, unless by an override,
    # which never becomes champion.
    life.evaluate("poor", "gate.beat=[kmeans_logmel]")
    gate = json.loads((life.root / "poor-report" / "gate.json").read_text())
    missed = [clause["figures"] for clause in gate["clauses"] if not clause["met"]]
    assert {figures["baseline"] for figures in missed} == {"kmeans_logmel"}
    assert all(figures["value"] <= figures["other"] or figures["p"] > 0.05 for figures in missed)
    assert not (life.root / "poor-export" / "tokenizer.onnx").exists()
    refused = life.register("poor")
    assert refused["registered"] is False
    assert any("k-means" in reason for reason in refused["reasons"])
    again = ["--unapproved", "--why", "to listen to it"]
    life.export("poor", *again)
    life.verb(*life.registration("poor", "poor-registered"), *again)
    assert life.outcome("poor-registered")["version"] == "3"
    assert "can never be champion" in life.verb("promote", 3, "--why", "so", code=2)

    # Two at once, an equal of the champion and a better one: the better one is champion, whoever comes first.
    life.evaluate("good")
    racers = [life.start(*life.registration(model, f"race-{model}", "register.min_gain=0.0"))
              for model in ("good", "fair")]  # fmt: skip
    for racer in racers:
        out, err = racer.communicate(timeout=500)
        assert racer.returncode == 0, out + err
    better, equal = life.outcome("race-good"), life.outcome("race-fair")
    assert (better["alias"], equal["alias"]) == ("champion", "challenger")
    assert all(clauses(better).values())
    champion = better["version"]
    assert (alias(NAME), alias(NAME, "previous")) == (champion, "1")
    version = mlflow.MlflowClient().get_model_version(NAME, champion)
    assert len(version.description) <= 1000
    assert "/artifacts)" in version.description  # the link to the card

    # Back, in one command, and forward again by a person, with reasons that stay.
    assert "version 1 is the champion again" in life.verb("rollback", "--why", "complaints")
    assert alias(NAME) == "1"
    shown = life.verb("promote", 2, "--why", "an experiment", "--data", life.contest.data)
    assert "version 1, the champion: score 0.7" in shown
    assert "warning: the champion, version 1, is better" in shown
    assert alias(NAME) == "2"
    assert life.verb("rollback", "--why", "as was warned").startswith(f"{NAME} version 1 is the champion again")

    # Under manual approval the better one waits, until a person says yes.
    asked = life.register("good", "register.approval=manual")
    assert (asked["alias"], asked["awaits_approval"], asked["against"]) == ("challenger", True, "1")
    assert alias(NAME) == "1"

    def approval(*more: str) -> str:
        command = [sys.executable, "-m", "wav2tok.release.approval", *more]
        return subprocess.run(
            command, cwd=life.root, env=life.environment, check=True, capture_output=True, text=True
        ).stdout

    ask = ("ask", "good-registered/registered.json")
    assert f"Is {NAME} version {asked['version']} to be the champion?" in json.loads(approval(*ask))
    approval("approve", NAME, asked["version"], "--why", "Ada: I have listened to it")
    assert (alias(NAME), alias(NAME, "previous"), approval(*ask).strip()) == (asked["version"], "1", "null")

    # The story names everybody and every reason, and only approved versions were ever champion.
    story = life.story()
    crowned = [(row["event"], row["version"]) for row in story if row["event"] in ("promoted", "rolled back")]
    assert crowned == [
        ("promoted", "1"), ("promoted", champion), ("rolled back", "1"), ("promoted", "2"), ("rolled back", "1"),
        ("promoted", asked["version"]),
    ]  # fmt: skip
    assert all(row["by"].startswith(f"{servers.ADMIN}@") for row in story)
    reasons = [row["why"] for row in story]
    assert [why for why in reasons if why in ("complaints", "an experiment", "as was warned")]
    assert reasons[-1] == "Ada: I have listened to it"
