"""The model card: what the tokenizer is for, how good it is, and how to use it, rendered from its passport."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wav2tok.config.schema import Config
from wav2tok.report import names
from wav2tok.report.templates import templates
from wav2tok.tokenizer.format import GRAPH_NAMES

CARD = templates("wav2tok.report.card").get_template("card.md")
METRICS = ("mrr", "map")
"""The metrics of the card's table."""


@dataclass(frozen=True)
class Row:
    """A system's figures: its label, and a text such as ``0.878 [0.81, 0.93]`` for each view and metric."""

    system: str
    label: str
    cells: tuple[str, ...]


def model_card(passport: Mapping[str, Any], config: Config) -> str:
    """The card in Markdown.

    Args:
        passport: as `wav2tok.release.passport.make` gives it.
        config: the parameters of the training.
    """
    scores = (passport["evaluation"] or {}).get("scores", [])
    views = [view for view in dict.fromkeys(row["view"] for row in scores) if view in names.VIEWS]
    columns = [(view, metric) for view in views for metric in METRICS]
    figures = {(row["system"], row["view"], row["metric"]): row for row in scores}
    labels = {row["system"]: row["label"] for row in scores}
    rows = [
        Row(system, label, tuple(_cell(figures.get((system, *column))) for column in columns))
        for system, label in labels.items()
    ]
    return CARD.render(
        passport=passport,
        config=config,
        lineage=passport["lineage"],
        known=passport["lineage"].get("tags", {}),
        machine=passport["lineage"].get("machine", {}),
        views=views,
        meaning=names.EXPLAINED,
        heads=[f"{view} {names.METRICS[metric]}" for view, metric in columns],
        rows=rows,
        better=_better(figures, labels, columns),
        graph=GRAPH_NAMES[0],
    )


def _cell(row: Mapping[str, Any] | None) -> str:
    return "" if row is None else f"{row['value']:.3f} [{row['low']:.2f}, {row['high']:.2f}]"


def _better(figures: Mapping[Any, Any], labels: Mapping[str, str], columns: list[tuple[str, str]]) -> list[str]:
    """The baselines that are above every form of matching of the tokenizer in some column, as sentences."""
    ours = [name for name in labels if name.startswith("wav2tok")]
    sentences = []
    for name in [name for name in labels if name not in ours]:
        places = [
            f"{view} {names.METRICS[metric]}"
            for view, metric in columns
            if (name, view, metric) in figures
            and figures[name, view, metric]["value"] > max(figures[own, view, metric]["value"] for own in ours)
        ]
        if places:
            sentences.append(f"{labels[name]} does better in {', '.join(places)}.")
    return sentences
