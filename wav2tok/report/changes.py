"""The page of a retraining: what became of the model, its figures beside the champion's, searches that changed, what
arrived, what was put aside, and drift.

The page contains everything it shows, the sounds too, and runs no script.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from wav2tok.audio import decode
from wav2tok.corpus.datadocs import printable
from wav2tok.errors import UserError
from wav2tok.evaluation.changes import Changed, Difference
from wav2tok.evaluation.clauses import Clause
from wav2tok.evaluation.retrieval import views
from wav2tok.evaluation.retrieval.protocol import View
from wav2tok.evaluation.retrieval.result import Answers
from wav2tok.files import replacing
from wav2tok.report import names
from wav2tok.report.page import examples, sound
from wav2tok.report.table import Cell, Table
from wav2tok.report.templates import templates

RATE = 16_000
"""Hz, at which recordings are read to be played and drawn; the two models may have rates of their own."""
HEARD = 10
"""How many quarantined recordings can be heard on the page."""
TEMPLATE = templates("wav2tok.report.page").get_template("changes.html")


@dataclass(frozen=True)
class Compared:
    """Two models that were asked the same queries.

    Attributes:
        before, after: what the models are called.
        queries, test: how many recordings asked, and how many the test part has.
        answers: what the new model answers under ``view``.
        changed: how many queries have another first answer.
        shown: the queries to show of these.
    """

    before: str
    after: str
    queries: int
    test: int
    differences: Sequence[Difference]
    answers: Answers
    view: View
    changed: int
    shown: Sequence[Changed]


@dataclass(frozen=True)
class Delivery:
    """What ``wav2tok ingest`` did.

    Attributes:
        taken: how many recordings were taken in.
        quarantined: path -> reasons.
        places: path -> where it lies in the quarantine.
        moved: sentences on the distributions in which what was taken in is unlike the corpus.
    """

    taken: int
    quarantined: dict[str, list[str]]
    places: dict[str, str]
    moved: Sequence[str] = ()


@dataclass(frozen=True)
class Drifted:
    """What ``wav2tok drift`` found: a sentence, the names of the figures that drifted, and the picture, an SVG."""

    sentence: str
    figures: Sequence[str]
    picture: str


@dataclass(frozen=True)
class Story:
    """All that the page tells; what is not known is None.

    Attributes:
        outcome: what became of the model, in a sentence.
        replaced: whether the champion changed.
        clauses: the conditions of the decision.
        why_not: why models were not compared.
        doubts: sentences on labels that the champion finds improbable.
        replayed: sentences on the searches that were served and have another first answer now.
    """

    outcome: str
    replaced: bool
    clauses: Sequence[Clause] = field(default_factory=tuple)
    compared: Compared | None = None
    why_not: str = ""
    delivery: Delivery | None = None
    doubts: Sequence[str] | None = None
    drift: Drifted | None = None
    replayed: Sequence[str] | None = None


def write(story: Story, path: Path) -> None:
    """Write the page.

    Raises:
        UserError: a recording of the comparison can no longer be read.
    """
    compared, delivery = story.compared, story.delivery
    page = TEMPLATE.render(
        story=story,
        table=None if compared is None else figures(compared.differences),
        cases=[] if compared is None else [_case(compared, one) for one in compared.shown],
        explained={one.kind: names.EXPLAINED[one.kind] for one in compared.differences} if compared else {},
        aside=[] if delivery is None else list(_aside(delivery)),
        drawing=Markup(story.drift.picture) if story.drift else "",
    )
    with replacing(path) as temporary:
        temporary.write_text(printable(page), encoding="utf-8")


def figures(differences: Sequence[Difference]) -> Table:
    """A row for each metric on each kind of view; a gain whose interval does not hold 0 is bold."""
    rows: list[list[str | Cell]] = [
        [
            f"{names.METRICS[one.metric]} on {one.kind}",
            f"{one.before:.3f}",
            f"{one.after:.3f}",
            Cell(f"{one.gain.value:+.3f}", bold=one.gain.low > 0 or one.gain.high < 0),
            f"{one.gain.low:+.3f} to {one.gain.high:+.3f}",
        ]
        for one in differences
    ]
    return Table(["", "before", "now", "change", "95 % interval"], rows)


def _case(compared: Compared, one: Changed) -> dict[str, Any]:
    """A query and its first answers before and now, to see and to hear."""
    answers = compared.answers
    asks = int(answers.query_index[one.query])
    query = views.make(decode.read(answers.paths[asks], RATE), compared.view, RATE)
    waves = [("Query", asks, query)]
    for role, answer in (("before", one.before), ("now", one.after)):
        if answer >= 0:
            right = "right" if answers.relevant[one.query, answer] else "wrong"
            waves.append((f"First answer {role}: {right}", answer, decode.read(answers.paths[answer], RATE)))
    longest = max(len(sound.head(wave, RATE)) for _, _, wave in waves)
    before, now = (_rank(rank) for rank in one.ranks)
    return {
        "title": f"{examples.name(answers, asks)}: first right answer at {before} before, {now} now",
        "better": one.gain > 0,
        "worse": one.gain < 0,
        "gain": f"{one.gain:+.3f}",
        "recordings": [
            {"role": role, "name": examples.name(answers, index), **examples.figure(wave, longest, RATE)}
            for role, index, wave in waves
        ],
    }


def _rank(rank: int) -> str:
    return f"rank {rank}" if rank else "no rank"


def _aside(delivery: Delivery) -> list[dict[str, Any]]:
    """The quarantined recordings with their reasons; the first that can be read can be heard."""
    found: list[dict[str, Any]] = []
    heard = 0
    for path, reasons in delivery.quarantined.items():
        one: dict[str, Any] = {"path": path, "reasons": reasons, "sound": None}
        if heard < HEARD:
            try:
                one["sound"] = sound.address(sound.head(decode.read(delivery.places[path], RATE), RATE), RATE)
                heard += 1
            except (UserError, KeyError):  # it cannot be read, which may be why it is there
                one["sound"] = None
        found.append(one)
    return found
