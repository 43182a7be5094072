"""A Prefect server for the session, and a real git and DVC project with seven tiny stages."""

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

import flows  # noqa: F401  (sets what Prefect reads when it is imported)

# Writes the files of the real stage of that name. Its knob, a dependency in DVC, decides how it behaves.
STAGE = """
import json, os, pathlib, subprocess, sys, time
name = sys.argv[1]
knob = pathlib.Path("knobs", name).read_text().strip()
with open("ran.txt", "a") as file:
    print(name, file=file)
out = pathlib.Path("artifacts")

def write(path, value):
    path = out / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))

print(f"{name} begins", flush=True)
if knob == "fail":
    print("the disk of the stage is full", file=sys.stderr)
    sys.exit(1)
if knob == "user":
    print("wav2tok: data/a.flac cannot be read; replace it.", file=sys.stderr)
    sys.exit(2)
if knob == "slow":
    time.sleep(1.5)
if knob == "hang":
    sleeper = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)"
    pids = [subprocess.Popen([sys.executable, "-c", sleeper], start_new_session=own).pid for own in (False, True)]
    pathlib.Path("pids.tmp").write_text(" ".join(map(str, [os.getpid(), *pids])))
    os.rename("pids.tmp", "pids.txt")
    time.sleep(600)

refused = "MRR on TS is 0.100, below 0.300."
if name == "validate":
    write("validation/manifest.csv", "path\\n")
    write("validation/docs/index.html", "<html></html>")
elif name == "split":
    write("audios.bin", "split")
elif name == "cluster":
    write("codebook/codebook.json", {})
elif name == "train":
    write("model/run.json", {"run_id": "abc123"})
elif name == "evaluate":
    good = knob != "refuse"
    score = {"mrr": 0.9, "map": 0.81234, "p_at_1": 0.7, "r_at_10": 0.6}
    write("report/metrics.json", {"V": {"wav2tok": score}, "TS": {"wav2tok": score}, "tokens": {"perplexity": 3.0},
                                  "gate": {"approved": good}, "counts": {"recordings": 4}})
    write("report/report.md", "# Retrieval\\n\\n![bars](plots/bars.png)\\n")
    write("report/gate.json", {"approved": good, "reasons": [] if good else [refused]})
elif name == "export":
    write("export/export.json", json.loads((out / "report/gate.json").read_text()))
elif name == "register":
    if json.loads((out / "export/export.json").read_text())["approved"]:
        outcome = {"registered": True, "name": "wav2tok", "version": "3", "alias": "champion", "why": "it is better"}
        if knob == "ask":
            clause = {"name": "gain", "met": True, "sentence": "a gain of +0.100.", "figures": {}}
            found = {"won": True, "challenger": 0.9, "champion": 0.8, "queries": 40, "clauses": [clause]}
            outcome |= {"alias": "challenger", "awaits_approval": True, "against": "1", "comparisons": [found]}
    else:
        outcome = {"registered": False, "reasons": [refused]}
    write("registered/registered.json", outcome)
    write("registered/summary.txt", "the summary of the graph\\n")
"""

READS_AND_WRITES = {
    "validate": (["data"], ["validation"]),
    "split": (["artifacts/validation"], ["audios.bin"]),
    "cluster": (["artifacts/audios.bin"], ["codebook"]),
    "train": (["artifacts/codebook"], ["model"]),
    "evaluate": (["artifacts/model"], ["report"]),
    "export": (["artifacts/report"], ["export"]),
    "register": (["artifacts/export"], ["registered"]),
}


@dataclass(frozen=True)
class Tiny:
    """A tiny project."""

    root: Path

    def turn(self, stage: str, knob: str) -> None:
        """Make ``stage`` stale and let it behave as ``knob`` says."""
        (self.root / "knobs" / stage).write_text(knob)

    def ran(self) -> list[str]:
        """The stages whose command ran since the last call."""
        path = self.root / "ran.txt"
        names = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return names


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The one Prefect server; its address."""
    with prefect_test_harness(server_startup_timeout=120):
        api = PREFECT_API_URL.value()
        assert api
        yield api


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The project before its first run."""
    import yaml

    root = tmp_path_factory.mktemp("fresh") / "project"
    for folder in ("data", "knobs"):
        (root / folder).mkdir(parents=True)
    (root / "data" / "a.flac").write_text("a")
    (root / "stage.py").write_text(textwrap.dedent(STAGE))
    stages = {}
    for name, (reads, writes) in READS_AND_WRITES.items():
        (root / "knobs" / name).write_text("go")
        stages[name] = {
            "cmd": f"{sys.executable} stage.py {name}",
            "deps": [*reads, f"knobs/{name}"],
            "outs": [f"artifacts/{path}" for path in writes],
        }
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    (root / "params.yaml").write_text(
        "schedule: {cron: '0 3 * * 1', retries: 1, retry_delay_seconds: 0, timeout_minutes: 5}\n"
    )
    dvc = [sys.executable, "-m", "dvc"]
    quiet = os.environ | {"DVC_NO_ANALYTICS": "true"}
    for command in (["git", "init", "-q"], [*dvc, "init", "-q"]):
        subprocess.run(command, cwd=root, check=True, env=quiet)
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    subprocess.run([*dvc, "add", "-q", "data"], cwd=root, check=True, env=quiet)
    return Tiny(root)


@pytest.fixture
def untouched(fresh: Tiny, tmp_path: Path) -> Tiny:
    """A project in which no stage has run yet."""
    return Tiny(Path(shutil.copytree(fresh.root, tmp_path / "untouched", symlinks=True)))


@dataclass(frozen=True)
class Finished:
    """A project that the flow has run once, the final state, and the stages that ran."""

    project: Tiny
    state: State[Any]
    ran: list[str]


@pytest.fixture(scope="session")
def finished(server: str, fresh: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The first run of the flow; tests must not change the project."""
    from flows.retrain import retrain

    project = Tiny(Path(shutil.copytree(fresh.root, tmp_path_factory.mktemp("finished") / "project", symlinks=True)))
    state = retrain(project.root, return_state=True)
    return Finished(project, state, project.ran())


@pytest.fixture
def tiny(finished: Finished, tmp_path: Path) -> Tiny:
    """A copy of the finished project: nothing in it is stale."""
    return Tiny(Path(shutil.copytree(finished.project.root, tmp_path / "project", symlinks=True)))
