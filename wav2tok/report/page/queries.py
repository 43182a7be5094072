"""Every query with its answers in order and their sounds, as the data of the page's script."""

import base64
import hashlib
import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from wav2tok.audio import decode
from wav2tok.corpus.datadocs import printable
from wav2tok.evaluation.retrieval import views
from wav2tok.evaluation.retrieval.result import Answers, Result
from wav2tok.matching.ranking import average_precisions, first_ranks, hits
from wav2tok.report.page import sound
from wav2tok.report.page.examples import name

SOUND_BYTES = 10_000_000
"""Maximum size of all sounds together, as the page holds them. The worst queries get theirs first."""
_QUERIES = 5_000
"""Maximum number of queries, the worst."""
_RANKS, _LEAST_RANKS = 200_000, 20
"""Maximum number of answers on the page, and minimum number for each query."""
_FIRST = 10
"""How many of the worst queries the page lists without its script."""

SCRIPT = Markup(resources.files("wav2tok.report.page").joinpath("queries.js").read_text(encoding="utf-8"))
"""The only script of the page: a file of this package, so it needs no escaping."""
SCRIPT_DIGEST = "sha256-" + base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode("ascii")
"""The page's policy allows a script with this digest and no other."""


def browser(result: Result, sample_rate: int, limit: int = SOUND_BYTES) -> dict[str, Any]:
    """What the page lists of the queries, the worst first.

    Args:
        sample_rate: the rate at which recordings are read, Hz.
        limit: as `SOUND_BYTES`.

    Returns:
        ``rows``, the worst queries for the table; ``data``, all queries as JSON for the script; and the numbers that
        say what was left out.

    Raises:
        UserError: a recording can no longer be read.
    """
    answers = result.answers
    found = hits(answers.order, answers.relevant)
    first = first_ranks(found)
    precision = average_precisions(found, answers.relevant.sum(axis=1))
    # A query that finds nothing is the worst of those with precision 0.
    depth = np.where(first == 0, answers.order.shape[1] + 1, first)
    worst = sorted(range(len(first)), key=lambda q: (precision[q], -depth[q], q))[:_QUERIES]
    ranks = max(_LEAST_RANKS, _RANKS // max(len(worst), 1))
    order = {q: answers.order[q, :ranks][answers.order[q, :ranks] >= 0] for q in worst}
    names = [printable(one) for one in _names(answers)]
    sounds, asked = _sounds(result, worst, order, sample_rate, limit)
    listed = [
        {
            "asks": int(answers.query_index[q]),
            "first": int(first[q]),
            "precision": round(float(precision[q]), 3),
            "tokens": len(answers.asking[q]),
            "order": order[q].tolist(),
            "distances": [round(float(one), 3) for one in answers.distances[q, order[q]]],
            "right": np.flatnonzero(found[q, : len(order[q])]).tolist(),
            "changed": result.setting.views[0].kind != "V",
            "sound": asked.get(q),
        }
        for q in worst
    ]
    classes = None if answers.classes is None else [printable(one) for one in answers.classes]
    data = {
        "mime": sound.MIME,
        "names": names,
        "classes": classes,
        "tokens": [len(string) for string in answers.strings],
        "sounds": [sounds.get(index) for index in range(len(names))],
        "queries": listed,
    }
    return {
        "rows": [_row(one, names, classes) for one in listed[:_FIRST]],
        "data": _embedded(data),
        "listed": len(listed),
        "queries": len(first),
        "ranks": ranks,
        "cut": answers.order.shape[1] > ranks,
        "heard": len(sounds),
        "recordings": len(names),
        "seconds": sound.SECONDS,
        "limit": limit / 1e6,
        "by_class": answers.classes is not None,
    }


def _row(one: dict[str, Any], names: list[str], classes: list[str] | None) -> dict[str, Any]:
    """A row of the table, as the script writes it, too."""
    return {
        "name": _label(names, classes, one["asks"]),
        "first": str(one["first"]) if one["first"] else "none",
        "precision": f"{one['precision']:.3f}",
        "nearest": (classes or names)[one["order"][0]] if one["order"] else "no answer",
        "right": one["first"] == 1,
    }


def _names(answers: Answers) -> list[str]:
    """The recordings' file names, and their folders' if there are no classes to tell them apart."""
    if answers.classes is None:
        return [name(answers, index) for index in range(len(answers.paths))]
    return [Path(path).name for path in answers.paths]


def _label(names: list[str], classes: list[str] | None, index: int) -> str:
    """A recording with its class, as the script writes it, too."""
    return names[index] if classes is None else f"{classes[index]}: {names[index]}"


def _sounds(
    result: Result, worst: list[int], order: dict[int, np.ndarray], sample_rate: int, limit: int
) -> tuple[dict[int, str], dict[int, str]]:
    """The sounds by recording, and those of changed queries by query, in base64, up to ``limit`` bytes."""
    answers, view = result.answers, result.setting.views[0]
    recordings: dict[int, str] = {}
    queries: dict[int, str] = {}
    total = 0
    for query, index in _wanted(answers, worst, order, changed=view.kind != "V"):
        if (index in recordings) if query is None else (query in queries):
            continue
        waveform = decode.read(answers.paths[index], sample_rate)
        if query is not None:
            waveform = views.make(waveform, view, sample_rate)
        text = sound.encoded(sound.head(waveform, sample_rate), sample_rate)
        total += len(text)
        if total > limit:
            break
        if query is None:
            recordings[index] = text
        else:
            queries[query] = text
    return recordings, queries


def _wanted(
    answers: Answers, worst: list[int], order: dict[int, np.ndarray], changed: bool
) -> Iterator[tuple[int | None, int]]:
    """(query if it is changed before it asks, recording) by how much each sound is wanted: rank by rank."""
    for q in worst:
        yield q if changed else None, int(answers.query_index[q])
    for rank in range(max(map(len, order.values()), default=0)):
        for q in worst:
            if rank < len(order[q]):
                yield None, int(order[q][rank])


def _embedded(data: dict[str, Any]) -> Markup:
    """JSON that no text in it can end early or turn into markup."""
    text = json.dumps(data, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # without <, > and & it is not markup
