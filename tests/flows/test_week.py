"""A week of a team in minutes, through real services: deliveries good and bad, approvals, and what breaks.

At the end every recording is accounted for, there is one champion, nothing is open or half-written, and no test
recording was ever trained on.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import yaml
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType

from flows import process
from tests import projects, servers
from tests.flows import team
from tests.flows.week import Week, digests, flac, vorbis, wait
from wav2tok.release import champion, versions

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.timeout(3600)]

HIDDEN = {".git", ".gitignore", ".dvc", ".dvcignore", ".ci", ".pre-commit-config.yaml"}
"""What a project has that begins with a dot; so do files that are being written."""


@pytest.fixture
def week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Week]:
    """A tiny project in git and DVC, and its services on an empty database."""
    servers.program("initdb")
    project = projects.make(tmp_path / "project")
    project.set(
        train={"epochs": 20, "patience": 20, "steps_per_epoch": 10},
        evaluate={"baselines": [], "curve_queries": 0},
        register={"approval": "manual"},
        drift={"draws": 100},
        # Nothing starts by itself.
        schedule={"retry_delay_seconds": 1} | dict.fromkeys(("cron", "evaluate_cron", "ingest_cron"), "0 0 29 2 *"),
    )
    project.run("wav2tok", "sample", str(tmp_path / "cast"), "--melodies", "4", "--singers", "12")
    with tempfile.TemporaryDirectory(prefix="wav2tok-week-") as name:
        Path(name).chmod(0o711)  # PostgreSQL's user has to reach it
        with team.services(Path(name) / "services", project.root) as started:
            for variable, value in started.environment.items():
                monkeypatch.setenv(variable, value)
            mlflow.set_tracking_uri(started.environment["MLFLOW_TRACKING_URI"])
            yield Week(project, started, tmp_path / "cast", good=digests(project.root / "data"))
            mlflow.set_tracking_uri(None)
            shutil.copytree(started.folder.path / "logs", tmp_path / "logs")  # pytest keeps them if the test failed


def test_a_week(week: Week, tmp_path: Path) -> None:
    monday_the_first_model_is_refused(week)
    tuesday_new_singers_arrive_and_their_model_is_approved(week)
    wednesday_a_delivery_is_poisoned_and_the_power_fails_in_the_training(week, tmp_path)
    thursday_two_retrainings_start_at_once_and_the_stores_go_away(week)
    friday_nothing_is_new(week)

    every_recording_is_accounted_for(week)
    one_version_is_the_champion(week)
    nothing_is_open(week)
    nothing_is_half_written(week)
    branch_graph_and_folder_agree(week)
    no_test_recording_was_ever_trained_on(week)


def monday_the_first_model_is_refused(week: Week) -> None:
    run_id = week.run("retrain")
    week.until(run_id, "Suspended")
    week.look()
    version = week.outcome()["version"]
    assert week.outcome()["awaits_approval"]
    with process.alone(week.root):  # a person may take days
        assert week.champion() is None
    week.team.answer(run_id, approve=False, name="Ada", why="it confuses two songs")
    state = week.until(run_id, "Declined")
    assert state.message == f"wav2tok version {version} stays challenger: Ada, in Prefect: it confuses two songs"
    assert week.champion() is None


def tuesday_new_singers_arrive_and_their_model_is_approved(week: Week) -> None:
    week.deliver_singers("singer09", "singer10")
    state = week.until(week.run("ingest"), "Completed")
    version = week.outcome()["version"]
    assert state.message.startswith(f"8 recordings taken in; wav2tok version {version} waits for approval: ")
    week.look()
    run_id = week.asked()
    week.team.answer(run_id, approve=True, name="Ben", why="it finds all songs")
    state = week.until(run_id, "Completed")
    assert state.message == f"wav2tok version {version} is the champion: Ben, in Prefect: it finds all songs"
    assert week.champion() == version


def wednesday_a_delivery_is_poisoned_and_the_power_fails_in_the_training(week: Week, folder: Path) -> None:
    week.project.set(register={"approval": "automatic"})
    rng = np.random.default_rng(0)
    week.deliver_singers("singer11", "singer12")
    song, other = sorted(path.name for path in week.cast.iterdir())[:2]
    whole = (week.cast / song / "singer11_01.flac").read_bytes()
    # What a machine can see is put aside.
    week.deliver(f"{song}/corrupt_01.flac", whole[:100] + rng.bytes(2000), week.bad)
    week.deliver(f"{song}/silent_01.flac", flac(np.zeros(32000), folder), week.bad)
    week.deliver(f"{song}/again_01.flac", (week.cast / song / "singer01_01.flac").read_bytes(), week.bad)
    week.deliver(f"{song}/vorbis_01.ogg", vorbis(week.cast / song / "singer02_01.flac", folder), week.bad)
    week.deliver(f"{other}/moved_01.ogg", vorbis(week.cast / song / "singer03_01.flac", folder), week.bad)
    week.deliver(f"{song}/twice_01.ogg", vorbis(week.cast / song / "singer11_01.flac", folder), week.bad)
    # What only a person can hear is taken in, and named.
    take = np.interp(np.arange(0, 60000, 1.1), np.arange(60000), rng.standard_normal(60000))
    week.deliver(f"{song}/noise_01.flac", flac(0.1 * take, folder), week.good)

    week.run("ingest")
    broken = week.training()
    week.cut_the_power()
    week.start()
    assert mlflow.get_run(broken.info.run_id).info.status == "RUNNING"
    state = week.until(week.run("retrain"), "Completed")
    week.look()
    assert state.message.startswith(f"registered wav2tok version {week.outcome()['version']} as ")
    assert week.project.json("model/run.json")["run_id"] == broken.info.run_id  # the training went on
    assert mlflow.get_run(broken.info.run_id).info.status == "FINISHED"


def thursday_two_retrainings_start_at_once_and_the_stores_go_away(week: Week) -> None:
    week.project.set(train={"steps_per_epoch": 11})
    runs = [week.run("retrain"), week.run("retrain")]
    training = week.training()
    states = [wait(lambda one=one: _begun(week, one), "a state") for one in runs]
    assert sorted(state.name for state in states) == ["Running", "Skipped"]
    (working,) = [one for one, state in zip(runs, states, strict=True) if state.name == "Running"]

    week.stop("mlflow")
    week.stop("postgresql")
    week.start()
    week.until(working, "Completed")
    week.look()
    assert week.project.json("model/run.json")["run_id"] == training.info.run_id
    # Those that waited were sent once. (A checkpoint that is kept has the score of its epoch again.)
    history = mlflow.MlflowClient().get_metric_history(training.info.run_id, "valid/mrr")
    assert sorted(step for step, _ in {(one.step, one.value) for one in history}) == list(range(11, 221, 11))


def _begun(week: Week, run_id: object) -> object:
    with week.team.client() as client:
        state = client.read_flow_run(run_id).state
    return state if state.is_final() or state.is_running() else None


def friday_nothing_is_new(week: Week) -> None:
    # The run that the power failure ended has left its place.
    state = week.until(week.run("ingest"), "Nothing new")
    assert state.message == "Nothing new."


def every_recording_is_accounted_for(week: Week) -> None:
    assert digests(week.root / "data") == week.good
    aside = digests(week.root / "quarantine")
    assert aside.pop("reasons.jsonl")
    assert aside == week.bad
    assert digests(week.root / "inbox") == {}
    lines = (week.root / "quarantine" / "reasons.jsonl").read_text().splitlines()
    why = {one["path"]: " ".join(one["reasons"]) for one in map(json.loads, lines)}
    kinds = {"corrupt": "unreadable", "silent": "silent", "again": "duplicate", "vorbis": "copy", "twice": "copy",
             "moved": "copy_across_classes"}  # fmt: skip
    assert why.keys() == week.bad.keys()
    assert [path for path, said in why.items() if kinds[Path(path).name.partition("_")[0]] not in said] == []


def one_version_is_the_champion(week: Week) -> None:
    state = versions.read("wav2tok")
    assert state.champion is not None
    assert sorted(state.versions) == ["1", "2", "3", "4"]
    crowned = [number for number in state.versions if champion.previous(state) == number]
    assert state.aliases.get("previous") == (crowned[0] if crowned else None)
    assert state.versions["1"].tags["approval"] == "declined"
    assert state.versions["2"].tags["approval"] == "given"


def nothing_is_open(week: Week) -> None:
    assert [run.info.run_id for run in week.runs("attributes.status = 'RUNNING'")] == []
    with week.team.client() as client:
        going = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
        left = client.read_flow_runs(flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=going)))
        assert [(run.name, run.state) for run in left] == []
        assert {limit.active_slots for limit in client.read_global_concurrency_limits()} == {0}


def nothing_is_half_written(week: Week) -> None:
    ours = [week.root / name for name in ("data", "inbox", "quarantine", "artifacts")]
    left = [path for top in [*ours, week.team.folder.artifacts] for path in top.rglob(".*")]
    assert [path for path in left if path.name != ".gitignore"] == []
    assert {path.name for path in week.root.glob(".*")} <= HIDDEN


def branch_graph_and_folder_agree(week: Week) -> None:
    with process.alone(week.root):
        assert week.project.run("dvc", "status", "--quiet") == ""
    for name in ("data.dvc", "dvc.lock"):
        assert week.project.run("git", "show", f"retrained:{name}") == (week.root / name).read_text()
    assert week.project.run("git", "log", "--format=%s", "HEAD").split() == ["tiny"]
    assert week.project.run("git", "fsck", "--no-dangling") == ""
    tracked = yaml.safe_load((week.root / "data.dvc").read_text())["outs"][0]
    assert tracked["nfiles"] == len(week.good)


def no_test_recording_was_ever_trained_on(week: Week) -> None:
    parts = week.singers
    assert not parts["test"] & (parts["train"] | parts["valid"])
    for version in versions.read("wav2tok").versions.values():
        heard = versions.heard_by(version)
        assert heard
        assert not heard & week.tested
