"""A project that a team retrains through its services: what arrives in its inbox, and what breaks."""

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import psutil
import soundfile
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateName

from flows.services import process
from flows.services.suite import NAMES, stop_signal
from tests.flows.team import Started
from tests.projects import Project
from wav2tok.release import versions

SLOW = 1200
"""Seconds that a step may take on a busy machine."""


@dataclass
class Week:
    """A project, its services, and what is known of its recordings.

    Attributes:
        cast: a folder of recordings by more singers than the corpus has at first, of the same melodies.
        good: the SHA-256 of each recording that is to be in the corpus, by its path there.
        bad: the same of those that are to be in the quarantine.
        tested: the SHA-256 of the recordings that were ever in the test part.
        singers: those whose recordings were ever in a part, by part.
    """

    project: Project
    team: Started
    cast: Path
    good: dict[str, str] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)
    tested: set[str] = field(default_factory=set)
    singers: dict[str, set[str]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.project.root

    def run(self, flow: str) -> Any:
        """Start a run of a deployment."""
        return self.team.run(flow)

    def until(self, run_id: Any, *names: str) -> Any:
        """The state of a run once it has one of these names."""
        return self.team.until(run_id, *names, seconds=SLOW)

    def asked(self) -> Any:
        """The run that asks a person now."""

        def found() -> Any:
            with self.team.client() as client:
                suspended = FlowRunFilterState(name=FlowRunFilterStateName(any_=["Suspended"]))
                return client.read_flow_runs(flow_run_filter=FlowRunFilter(state=suspended))

        (run,) = wait(found, "a question")
        return run.id

    def deliver(self, path: str, content: bytes, into: dict[str, str]) -> None:
        """Put a file into the inbox, as one that was complete an hour ago.

        Args:
            into: `good` or `bad`, where it is to end up.
        """
        place = self.root / "inbox" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        os.utime(place, (time.time() - 3600,) * 2)
        into[path] = hashlib.sha256(content).hexdigest()

    def deliver_singers(self, *names: str) -> None:
        """Deliver all recordings of new singers."""
        for name in names:
            for path in sorted(self.cast.glob(f"*/{name}_*.flac")):
                self.deliver(path.relative_to(self.cast).as_posix(), path.read_bytes(), self.good)

    def look(self) -> None:
        """Remember which recordings are for the test now."""
        for row in self.project.json("audios.json")["recordings"]:
            self.singers.setdefault(row["part"], set()).add(row["group"])
            if row["part"] == "test":
                self.tested.add(row["sha256"])

    def outcome(self) -> dict[str, Any]:
        """What the last registration wrote."""
        return self.project.json("registered/registered.json")

    def champion(self) -> str | None:
        """The number of the champion."""
        return versions.read("wav2tok").aliases.get(versions.CHAMPION)

    def training(self) -> Any:
        """The MLflow run of the training at work, once it has a checkpoint: metrics of an epoch are sent before it."""

        def found() -> Any:
            # A run that evaluate or register adds to is open, too.
            return next((run for run in self.runs("attributes.status = 'RUNNING'") if self._epochs(run) > 1), None)

        return wait(found, "a training at work")

    def _epochs(self, run: Any) -> int:
        """The epochs of a training that has not ended yet."""
        over = "best_epoch" in run.data.tags
        return 0 if over else len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "valid/mrr"))

    def runs(self, which: str = "") -> list[Any]:
        """The MLflow runs of all experiments."""
        client = mlflow.MlflowClient()
        return list(client.search_runs([one.experiment_id for one in client.search_experiments()], which))

    def cut_the_power(self) -> None:
        """Kill the services and all that they have started."""
        found = [process.running(self.team.folder, name) for name in reversed(NAMES)]
        # Parents first, so that none sees a child die.
        family = [one for top in found if top is not None for one in [top, *top.children(recursive=True)]]
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(family, 30)

    def stop(self, name: str) -> None:
        """End a service in order."""
        assert process.stop(self.team.folder, name, stop_signal(name))

    def start(self) -> None:
        """Start the services that do not run."""
        self.team.verb("start")


def wait(found: Callable[[], Any], what: str) -> Any:
    """The first answer that says something."""
    end = time.monotonic() + SLOW
    while not (answer := found()):
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.2)
    return answer


def flac(wave: Any, folder: Path) -> bytes:
    """A waveform at 16 kHz as the bytes of a FLAC file."""
    path = folder / "made.flac"
    soundfile.write(path, np.asarray(wave, np.float32), 16000)
    return path.read_bytes()


def vorbis(path: Path, folder: Path) -> bytes:
    """A recording encoded again, as OGG."""
    wave, rate = soundfile.read(path, dtype="float32")
    made = folder / "made.ogg"
    soundfile.write(made, wave, rate)
    return made.read_bytes()


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file by its path in a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
