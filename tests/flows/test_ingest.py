"""The flow from an inbox to a commit, run by the real Prefect on a real git and DVC project."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from flows import publish
from flows.ingest import ingest
from wav2tok.errors import UserError

pytestmark = [pytest.mark.slow, pytest.mark.services]


def git(root, *arguments):
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    done = subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit_all(root):
    (root / ".gitignore").write_text("/data\n/artifacts\n/inbox\n/quarantine\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")


def arrive(root, name, wave):
    path = root / "inbox" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.asarray(wave, dtype=np.float32), 8000)
    os.utime(path, (time.time() - 3600,) * 2)


@pytest.fixture
def project(tiny):
    """A project that was retrained and committed, a DVC remote, and a delivery of one good and one silent recording."""
    commit_all(tiny.root)
    remote = [sys.executable, "-m", "dvc", "remote", "add", "-q", "-d", "store", str(tiny.root.parent / "remote")]
    subprocess.run(remote, cwd=tiny.root, check=True)
    arrive(tiny.root, "song/hana_0.flac", np.random.default_rng(0).uniform(-0.2, 0.2, 8000))
    arrive(tiny.root, "song/ivo_0.flac", np.zeros(8000))
    return tiny


def test_a_delivery_is_taken_in_retrained_and_committed_and_then_nothing_is_new(project):
    root, head = project.root, git(project.root, "rev-parse", "HEAD")
    state = ingest(root, return_state=True)
    assert state.is_completed(), state.message
    assert (root / "data/song/hana_0.flac").is_file()
    assert (root / "quarantine/song/ivo_0.flac").is_file()
    assert project.ran() == ["validate"]  # its output is the same, so nothing else is stale
    found = state.result()
    assert (found["taken"], list(found["quarantined"])) == (["song/hana_0.flac"], ["song/ivo_0.flac"])

    # The branch has the change, and the working branch is as it was.
    assert (git(root, "rev-parse", "HEAD"), git(root, "branch", "--show-current") != publish.BRANCH) == (head, True)
    assert git(root, "diff", "--name-only", head, publish.BRANCH).split() == ["data.dvc", "dvc.lock", "retraining.md"]
    for name in ("data.dvc", "dvc.lock"):
        assert git(root, "show", f"{publish.BRANCH}:{name}") == (root / name).read_text().strip()
    report = git(root, "show", f"{publish.BRANCH}:retraining.md")
    assert "- 1 recordings were taken in." in report
    assert "| song/ivo_0.flac | silent: " in report
    assert list((root.parent / "remote").rglob("*.dir"))  # the corpus is on the remote
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[state.state_details.flow_run_id]))
        assert "change-report" in {found.key for found in client.read_artifacts(artifact_filter=wanted)}

    again = ingest(root, return_state=True)
    assert (again.name, again.message) == ("Nothing new", "Nothing new.")
    assert again.result()["commit"] is None
    assert project.ran() == []


def test_the_data_before_a_delivery_is_accepted_if_it_was_good_and_the_delivery_is_compared_with_it(project):
    root = project.root
    (root / "data/song").mkdir(exist_ok=True)
    for take in range(52):
        wave = np.random.default_rng(take + 1).uniform(-0.01, 0.01, 8000)
        if take < 40:
            soundfile.write(root / f"data/song/ada_{take}.flac", wave, 8000)
        else:
            arrive(root, f"song/ada_{take}.flac", 40 * wave)
    parameters = ["--set", "data.sample_rate=8000"]
    judged = [sys.executable, "-m", "wav2tok", "validate", "data", "--out", "artifacts/validation", *parameters]
    subprocess.run(judged, cwd=root, check=True)
    state = ingest(root, return_state=True)
    assert state.is_completed(), state.message
    accepted = git(root, "show", f"{publish.BRANCH}:accepted.csv")
    assert len(accepted.splitlines()) == 40 + 1
    assert accepted == (root / "accepted.csv").read_text().strip()
    report = git(root, "show", f"{publish.BRANCH}:retraining.md")
    assert "- Compared with the corpus, 13 recordings were added and 0 are gone." in report
    assert "- moved_level: the median level is " in report


def test_a_retraining_that_fails_goes_on_with_the_next_run(project):
    root = project.root
    project.turn("train", "user")
    failed = ingest(root, return_state=True)
    assert (failed.is_failed(), failed.message) == (True, "train failed: data/a.flac cannot be read; replace it.")
    assert git(root, "branch", "--list", publish.BRANCH) == ""
    assert (root / "data/song/hana_0.flac").is_file()
    project.turn("train", "go")
    state = ingest(root, return_state=True)
    assert state.is_completed(), state.message
    assert state.result()["taken"] == []
    assert state.result()["commit"] == git(root, "rev-parse", publish.BRANCH)


def test_a_run_killed_before_its_commit_is_committed_by_the_next(project):
    root = project.root
    assert ingest(root, return_state=True).is_completed()
    git(root, "branch", "-D", publish.BRANCH)
    state = ingest(root, return_state=True)
    assert (state.name, state.result()["commit"]) == ("Nothing new", git(root, "rev-parse", publish.BRANCH))


def test_without_an_inbox_the_sentence_says_so(tiny):
    commit_all(tiny.root)
    state = ingest(tiny.root, return_state=True)
    assert state.message == "ingest failed: INBOX: inbox is not a folder; name the folder in which recordings arrive."


def test_of_two_commits_at_once_one_is_refused_and_the_branch_keeps_the_other(tiny, monkeypatch):
    root = tiny.root
    commit_all(root)
    run = publish._git

    def late(root, *arguments, **more):
        if arguments[0] == "update-ref" and arguments[1].endswith("/side"):
            monkeypatch.undo()
            assert publish.commit(root, {"a.txt": b"first"}, "first", "side")
        return run(root, *arguments, **more)

    monkeypatch.setattr(publish, "_git", late)
    with pytest.raises(UserError, match="git update-ref failed"):
        publish.commit(root, {"a.txt": b"second"}, "second", "side")
    assert git(root, "show", "side:a.txt") == "first"
    assert publish.commit(root, {"a.txt": b"first"}, "again", "side") is None
