"""When retraining runs."""

import importlib
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from prefect.server.schemas.schedules import CronSchedule

from flows.schedule import announcement, next_runs
from wav2tok.config import parameters
from wav2tok.errors import UserError

pytestmark = pytest.mark.services

PROJECT = Path(__file__).resolve().parents[2]


def test_the_next_runs_of_a_cron_line():
    sunday = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    dates = next_runs("0 3 * * 1", 2, sunday)
    assert dates == [datetime(2026, 11, 23, 3, tzinfo=UTC), datetime(2026, 11, 30, 3, tzinfo=UTC)]
    local = dates[0].astimezone()
    assert f"next: Mon {local:%Y-%m-%d %H:%M}" in announcement("0 3 * * 1", dates)


@pytest.mark.parametrize("cron", ["every monday", "61 3 * * 1", "0 3 * *", "", "0 3 31 2 *"])
def test_a_broken_cron_line_is_refused(cron):
    with pytest.raises(UserError, match=r"^schedule\.cron is "):
        next_runs(cron)


def test_the_module_refuses_a_broken_cron_line_before_anything_starts(tmp_path):
    (tmp_path / "params.yaml").write_text("schedule: {cron: every monday}\n")
    done = subprocess.run(
        [sys.executable, "-m", "flows.schedule", "--root", str(tmp_path)],
        cwd=PROJECT,
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "schedule: schedule.cron is 'every monday', which is not a cron line; "
        "it must be like '0 3 * * 1', Mondays at 3.\n"
    )


def test_the_work_pool_has_the_same_schedule():
    retrain, ingest = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    assert retrain["schedules"][0]["cron"] == parameters.load(PROJECT / "params.yaml").schedule.cron
    for deployment, name in ((retrain, "retrain"), (ingest, "ingest")):
        (schedule,) = deployment["schedules"]
        assert schedule["timezone"] == "UTC"
        assert CronSchedule(cron=schedule["cron"])
        assert deployment["concurrency_limit"]["limit"] == 1
        assert deployment["entrypoint"] == f"flows/{name}.py:{name}"
        assert getattr(importlib.import_module(f"flows.{name}"), name).name == name
