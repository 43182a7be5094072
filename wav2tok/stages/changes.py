"""What a retraining changed, on one page: what ``wav2tok changes`` does."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin, heard
from wav2tok.errors import UserError
from wav2tok.evaluation import changes as compare
from wav2tok.evaluation import paired
from wav2tok.evaluation.clauses import Clause
from wav2tok.evaluation.retrieval import protocol
from wav2tok.extras import need
from wav2tok.files import make_folder, read_json, read_text, write_json
from wav2tok.progress import log
from wav2tok.release import history, versions
from wav2tok.release.versions import CHAMPION
from wav2tok.report import changes as report
from wav2tok.report.changes import Compared, Delivery, Drifted, Story
from wav2tok.report.drift import FIGURE
from wav2tok.stages import labels
from wav2tok.tokenizer import locate, ready_made
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import lookup, runs, store
from wav2tok.untrusted import parse_json
from wav2tok.writable import require_own

SHOWN = 10
"""How many changed searches the page shows."""
PAGE, FIGURES = "changes.html", "changes.json"


@dataclass(frozen=True)
class Sources:
    """What the page is made of besides the models.

    Attributes:
        registered: the outcome that ``wav2tok register`` wrote, which need not exist.
        delivery: what ``wav2tok ingest`` wrote; None leaves it out.
        drift: the folder that ``wav2tok drift`` wrote; None leaves it out.
        labels: what ``wav2tok labels`` wrote; None leaves it out.
        replayed: what ``wav2tok replay`` printed; None leaves it out.
    """

    registered: Path
    delivery: Path | None = None
    drift: Path | None = None
    labels: Path | None = None
    replayed: Path | None = None


@dataclass(frozen=True)
class _DriftFile:
    sentence: str
    drifted: list[str]


@dataclass(frozen=True)
class _Doubt:
    path: str
    label: str
    share: float
    suggested: str | None
    suggested_share: float


@dataclass(frozen=True)
class _LabelsFile:
    doubts: list[_Doubt]


@dataclass(frozen=True)
class _Clause:
    name: str
    met: bool
    sentence: str
    figures: dict[str, Any]


@dataclass(frozen=True)
class _Comparison:
    clauses: list[_Clause]


@dataclass(frozen=True)
class _RegisteredFile:
    registered: bool
    reasons: list[str] = dataclasses.field(default_factory=list)
    alias: str | None = None
    name: str = ""
    version: str | None = None
    why: str = ""
    comparisons: list[_Comparison] = dataclasses.field(default_factory=list)


@dataclass(frozen=True)
class _DeliveryFile:
    taken: list[str]
    quarantined: dict[str, list[str]]
    places: dict[str, str]
    moved: list[str] = dataclasses.field(default_factory=list)  # earlier releases did not write it


def changes(
    data: Path, model: str, before: str | None, sources: Sources, out: Path, config: Config, track: bool = True
) -> Path:
    """Write the page ``changes.html``, and its figures as ``changes.json``, to the folder ``out``.

    Both models are asked with the test recordings that neither has heard.

    Args:
        data: an ``audios.bin``.
        model: the new model.
        before: the one to compare it with; None: the champion whose place it took or did not take, by ``sources``.
        track: whether to record the page in the MLflow run that trained the new model.

    Returns:
        the page.

    Raises:
        UserError: the model does not exist, or a file of ``sources`` is not what its verb wrote.
    """
    require_own(out, PAGE, [FIGURES])
    need("evaluate", "matplotlib", "numba", "python_stretch", "sklearn")
    outcome = read_json(sources.registered, _RegisteredFile) if sources.registered.exists() else {}
    delivery = None if sources.delivery is None else _delivery(sources.delivery)
    doubted = None if sources.labels is None else _doubted(sources.labels)
    drifted = None if sources.drift is None else _drift(sources.drift)
    replayed = None if sources.replayed is None else _replayed(sources.replayed)
    if before is None:
        before = _champion_before(outcome, config.register.name)
    compared, why_not = None, "There was no champion to compare the model with."
    if before is not None:
        compared, why_not = _compared(data, model, before, config)
    decision = (outcome.get("comparisons") or [{}])[-1]
    story = Story(
        _sentence(outcome),
        outcome.get("alias") == CHAMPION,
        [Clause(**clause) for clause in decision.get("clauses", ())],
        compared,
        why_not,
        delivery,
        doubted,
        drifted,
        replayed,
    )
    make_folder(out)
    page = out / PAGE
    report.write(story, page)
    write_json(out / FIGURES, _values(story))
    log.info(f"{story.outcome} What changed: {page}")
    run_id = runs.run_of(Path(model)) if track and store.available() and Path(model).is_dir() else None
    if run_id is not None:
        with runs.run(config.register.experiment, run_id=run_id, name="changes") as recorder:
            recorder.artifact(page, "changes")
    return page


def _champion_before(outcome: dict[str, Any], name: str) -> str | None:
    """The champion that a new model was to replace, by the outcome of its registration; None if there was none."""
    if not store.available():
        return None
    try:
        store.existing()
        state = versions.read(name)
    except UserError as error:
        log.info(f"the champion is not known: {error}")
        return None
    number = state.aliases.get(CHAMPION)
    if outcome.get("alias") == CHAMPION and outcome["version"] in state.versions:
        crowned = [event for event in history.of_version(state.versions[outcome["version"]]) if event.crowns]
        number = crowned[-1].replaced if crowned else None
    return None if number is None else f"models:/{name}/{number}"


def _compared(data: Path, model: str, before: str, config: Config) -> tuple[Compared | None, str]:
    """The comparison, or why there is none."""
    old, new = (Tokenizer.from_pretrained(name, "cpu") for name in (before, model))
    if old.identity == new.identity:
        return None, f"The model is that of {before}: nothing that it is made of has changed."
    test = audios_bin.read(data).test
    rest = test
    for name in (before, model):
        known = _heard(name)
        if known is None:
            log.warning(f"{name} does not say what it was trained on, so it may have heard some of these recordings")
        rest = heard.unheard(rest, known or ())
    try:
        first, second = paired.ask(rest, [old, new], config.evaluate, config.seed)
    except UserError as error:
        return None, f"The {len(rest)} test recordings that neither model heard cannot be asked with: {error}"
    found = compare.changed(first, second)
    answers = second.answers
    return Compared(
        before=old.source,
        after=new.source,
        queries=len(answers.query_index),
        test=len(test),
        differences=compare.differences(first, second, config.evaluate.bootstrap, config.seed),
        answers=answers,
        view=protocol.build(rest, config.evaluate).views[0],
        changed=len(found),
        shown=compare.chosen(found, SHOWN),
    ), ""


def _heard(model: str) -> frozenset[str] | None:
    """The digests of what a model was trained and validated on; None if it does not say."""
    if model.startswith(ready_made.PREFIX):
        return None
    if locate.is_in_store(model):
        version = lookup.find(model)
        return None if version is None else versions.heard_by(versions.get(version.name, version.number, model))
    folder = locate.locate(model).parent
    return heard.read(folder) if (folder / heard.HEARD_FILE).is_file() else None


def _sentence(outcome: dict[str, Any]) -> str:
    """What became of the model."""
    if not outcome:
        return "The model is not registered."
    if not outcome["registered"]:
        return f"The champion stays, and nothing was registered: {' '.join(outcome['reasons'])}"
    as_what = f"is the {outcome['alias']}" if outcome["alias"] else "is registered without an alias"
    return f"{outcome['name']} version {outcome['version']} {as_what}: {str(outcome['why']).rstrip('.')}."


def _delivery(path: Path) -> Delivery:
    found = read_json(path, _DeliveryFile)
    return Delivery(len(found["taken"]), found["quarantined"], found["places"], found.get("moved", []))


def _drift(folder: Path) -> Drifted:
    found = read_json(folder / "drift.json", _DriftFile)
    return Drifted(found["sentence"], found["drifted"], read_text(folder / FIGURE))


def _doubted(path: Path) -> list[str]:
    """A sentence for each doubt of ``wav2tok labels``."""
    return [labels.sentence(one) for one in read_json(path, _LabelsFile)["doubts"]]


def _replayed(path: Path) -> list[str]:
    """A sentence for each search that ``wav2tok replay`` printed.

    Raises:
        UserError: the file is missing, or a line is none of its rows.
    """
    found = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        try:
            row = parse_json(line)
            when, before, after, rank = (row[name] for name in ("time", "before", "after", "rank"))
        except (ValueError, TypeError, KeyError):
            raise UserError(
                f"{path} line {number} is not what wav2tok replay printed; run it again.", "replayed"
            ) from None
        place = f"is at rank {rank} now" if rank else "is not among the first ten now"
        found.append(f"{when}: {after or 'nothing'} in place of {before or 'nothing'}, which {place}")
    return found


def _values(story: Story) -> dict[str, Any]:
    """The figures of the page as JSON values."""
    compared = story.compared
    values: dict[str, Any] = {"outcome": story.outcome, "compared": None}
    if compared is not None:
        values["compared"] = {
            "before": compared.before,
            "after": compared.after,
            "queries": compared.queries,
            "changed": compared.changed,
            "differences": [dataclasses.asdict(one) for one in compared.differences],
        }
    return values
