"""The results of spotting, for reports."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from wav2tok.evaluation.spotting.metrics import BETA, HIT, Spotting
from wav2tok.report import names, tables
from wav2tok.report.table import Table


def scores(spotting: Spotting, metrics: Sequence[str] = tuple(names.SPOTTING)) -> Table:
    """One row per system: the given metrics with their intervals."""
    return tables.scores(
        {metric: names.SPOTTING[metric] for metric in metrics},
        {name: (one.label, one.scores) for name, one in spotting.systems.items()},
    )


def details(spotting: Spotting) -> Table:
    """One row per system: what lies behind its F1, and its cost."""
    return Table(
        ["system", "precision", "recall", "localized", "threshold", "F1 in training", "search (ms a query)"],
        [
            [
                one.label,
                f"{one.scores['precision'].value:.3f}",
                f"{one.scores['recall'].value:.3f}",
                f"{one.localized:.3f}",
                f"{one.threshold:.2f}",
                f"{one.training_f1:.3f}",
                f"{one.search_ms:.3f}",
            ]
            for one in spotting.systems.values()
        ],
    )


def markdown(spotting: Spotting) -> list[str]:
    """The lines of the report's section."""
    ranked = scores(spotting)
    measured = [
        [f"{one.localized:.3f}", f"{one.training_f1:.3f}", f"{one.search_ms:.3f}"] for one in spotting.systems.values()
    ]
    table = Table(
        [*ranked.headings, "localized", "F1 in training", "search (ms a query)"],
        [[*row, *more] for row, more in zip(ranked.rows, measured, strict=True)],
    )
    return [
        "## Spotting",
        "",
        f"Queries: {spotting.text}. {spotting.queries} queries of {spotting.words} words, {spotting.sentences} "
        f"sentences of {spotting.seconds / spotting.sentences:.1f} s on average.",
        "",
        f"A hit: {HIT}. F1 counts the trials of all queries together, at the threshold that is best for "
        f"{spotting.training_queries} queries on training sentences, on distances at mean 0 and variance 1 for each "
        f"query. MTWV: beta {BETA:g}, a trial a second, detecting nothing is 0. MAP, MRR and P@1 rank "
        f"sentences, wherever the span. Brackets hold 95 % intervals from {spotting.bootstrap} bootstrap draws of "
        "queries. Localized: the share of relevant sentences whose best span is a hit, which recall cannot exceed.",
        "",
        *table.markdown(),
    ]


def summary(spotting: Spotting) -> dict[str, Any]:
    """The numbers for metrics.json: system -> metric, and counts."""
    numbers: dict[str, Any] = {}
    for name, one in spotting.systems.items():
        numbers[name] = {metric: round(one.scores[metric].value, 6) for metric in names.SPOTTING}
        # JSON has no infinity, which the threshold is where nothing was worth detecting.
        numbers[name]["threshold"] = round(one.threshold, 6) if np.isfinite(one.threshold) else None
    numbers["counts"] = {"sentences": spotting.sentences, "queries": spotting.queries, "words": spotting.words}
    return numbers
