"""When retraining runs."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.schedule import announcement, next_runs
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
