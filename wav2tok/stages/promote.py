"""Promotion by a person: what ``wav2tok promote`` shows before it asks why."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wav2tok.config.schema import Config
from wav2tok.release import champion, versions
from wav2tok.stages import contest
from wav2tok.tracking.store import existing


@dataclass(frozen=True)
class Outlook:
    """A version compared with the champion.

    Attributes:
        expected: the number of the champion; None if there is none.
        lines: the scores of both, for the person who decides.
        worse: whether the champion is better.
    """

    expected: str | None
    lines: list[str]
    worse: bool


def outlook(number: str, data: Path, config: Config) -> Outlook:
    """Compare version ``number`` with the champion: on the recordings of ``data``, or by what they scored before.

    Args:
        data: an ``audios.bin``. If it does not exist, the scores are those at registration.

    Raises:
        UserError: the version does not exist, or the gate did not approve it.
    """
    name = config.register.name
    problem = f"{name} version {number} cannot be promoted"
    existing(problem)
    version = versions.get(name, number, problem)
    champion.require_approved(version)
    current = versions.champion(name)
    if current is None:
        return Outlook(None, [f"version {number}: {_registered(version)}; there is no champion"], False)
    expected = str(current.version)
    if expected == number:
        return Outlook(expected, [f"version {number} is the champion"], False)
    if not data.is_file():
        return _by_tags(version, current, f"{data} does not exist")
    decision = contest.compare(data, version, current, config)
    if decision.challenger is None or decision.champion is None:
        return _by_tags(version, current, decision.why)
    lines = [
        f"version {number}: score {decision.challenger:.3f}",
        f"version {expected}, the champion: score {decision.champion:.3f}, on the same {decision.queries} queries",
        *(f"{'met' if clause.met else 'not met'}: {clause.sentence}" for clause in decision.clauses),
    ]
    return Outlook(expected, lines, decision.challenger < decision.champion)


def _by_tags(version: Any, current: Any, why: str) -> Outlook:
    """The scores at registration, with the reason why there are no newer ones."""
    same = version.tags.get("test_digest") == current.tags.get("test_digest") is not None
    lines = [
        f"version {version.version}: {_registered(version)}",
        f"version {current.version}, the champion: {_registered(current)}",
        f"these are scores at registration, on {'the same' if same else 'different'} test recordings: {why}",
    ]
    scores = [found.tags.get("score") for found in (version, current)]
    worse = None not in scores and float(scores[0]) < float(scores[1])
    return Outlook(str(current.version), lines, worse)


def _registered(version: Any) -> str:
    score = version.tags.get("score")
    return "score unknown" if score is None else f"score {float(score):.3f}"
