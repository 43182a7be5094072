"""Figures of spotting, for reports."""

from typing import Any

import numpy as np

from wav2tok.evaluation.spotting.metrics import BETA, HEADINGS, HIT, Spotting


def markdown(spotting: Spotting) -> list[str]:
    """The section of the report, a line an entry."""
    lines = [
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
        f"| system | {' | '.join(HEADINGS.values())} | localized | F1 in training | search (ms a query) |",
        "|---" * (len(HEADINGS) + 4) + "|",
    ]
    best = {name: max(one.scores[name].value for one in spotting.systems.values()) for name in HEADINGS}
    for one in spotting.systems.values():
        cells = []
        for name in HEADINGS:
            score = one.scores[name]
            value = f"**{score.value:.3f}**" if score.value == best[name] else f"{score.value:.3f}"
            cells.append(f"{value} [{score.low:.3f}, {score.high:.3f}]")
        cells += [f"{one.localized:.3f}", f"{one.training_f1:.3f}", f"{one.search_ms:.3f}"]
        lines.append(f"| {one.label} | {' | '.join(cells)} |")
    return lines


def summary(spotting: Spotting) -> dict[str, Any]:
    """The numbers for metrics.json: system -> metric, and counts."""
    found: dict[str, Any] = {}
    for name, one in spotting.systems.items():
        found[name] = {metric: round(one.scores[metric].value, 6) for metric in HEADINGS}
        # An infinite threshold (nothing was worth detecting) is no JSON.
        found[name]["threshold"] = round(one.threshold, 6) if np.isfinite(one.threshold) else None
    found["counts"] = {"sentences": spotting.sentences, "queries": spotting.queries, "words": spotting.words}
    return found
