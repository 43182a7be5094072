"""What the page shows of a query and its answers: pictures, players, tokens along time and alignments."""

from pathlib import Path
from typing import Any

import numpy as np

from wav2tok.audio import decode
from wav2tok.evaluation.retrieval import views
from wav2tok.evaluation.retrieval.result import Answers, Result
from wav2tok.evaluation.systems import Represent
from wav2tok.matching import runs
from wav2tok.matching.edits import aligned
from wav2tok.report import gallery
from wav2tok.report.page import sound

_PAIRS, _MISSES = 3, 2
"""Maximum numbers of cases: twelve recordings, since a miss has three."""
_SHOWN = 240
"""Maximum number of columns of an alignment. Only the page is cut, not the matching."""
_NUMBERED = 0.055
"""A block has its token's number if it takes at least this share of the picture: else it would be cut off."""

_MARKS = {"equal": ("=", ""), "replace": ("≠", "sub"), "delete": ("−", "del"), "insert": ("+", "ins")}


def cases(result: Result, sample_rate: int, frames: Represent | None) -> dict[str, list[dict[str, Any]]]:
    """The ``nearest`` pairs and the worst ``missed`` queries; arguments as for `wav2tok.report.page.page.write`."""
    answers = result.answers
    classes = answers.paths if answers.classes is None else answers.classes
    queries = [classes[i] for i in answers.query_index]
    lengths = np.array([len(string) for string in answers.asking])
    near = gallery.nearest_pairs(answers.order, answers.distances, answers.relevant, queries, lengths, _PAIRS)
    far = gallery.worst_misses(answers.order, answers.relevant, queries, _MISSES)
    return {
        "nearest": [_case(result, case, sample_rate, frames) for case in near],
        "missed": [_case(result, case, sample_rate, frames) for case in far],
    }


def _case(result: Result, case: gallery.Case, sample_rate: int, frames: Represent | None) -> dict[str, Any]:
    """A query and its answers: recordings, the query first, and the alignment of each answer with the query."""
    answers = result.answers
    if case.winner is None:
        title = f"The nearest answer is right, at distance {answers.distances[case.query, case.right]:.3f}"
        shown = {"Right answer": case.right}
    else:
        title = "No right answer was retrieved"
        if case.rank:
            title = f"The first right answer ranks {case.rank} of {int((answers.order[case.query] >= 0).sum())}"
        shown = {"Wrong answer that won": case.winner, "Best right answer": case.right}
    index, string = int(answers.query_index[case.query]), answers.asking[case.query]
    waveform = views.make(decode.read(answers.paths[index], sample_rate), result.setting.views[0], sample_rate)
    recordings = [("Query", index, waveform, string)]
    for role, index in shown.items():
        recordings.append((role, index, decode.read(answers.paths[index], sample_rate), answers.strings[index]))
    # Pictures of a case share one time scale.
    longest = max(len(sound.head(waveform, sample_rate)) for _, _, waveform, _ in recordings)
    return {
        "title": title,
        "recordings": [
            {
                "role": role,
                "name": name(answers, index),
                "tokens": len(tokens),
                **figure(waveform, longest, sample_rate, frames),
            }
            for role, index, waveform, tokens in recordings
        ],
        "alignments": [alignment(string, answers.strings[index], role) for role, index in shown.items()],
    }


def name(answers: Answers, index: int) -> str:
    """A recording's name within its folder: this shows its class but not the machine it was on."""
    path = Path(answers.paths[index])
    name = "/".join(path.parts[-2:])
    if answers.classes is not None and answers.classes[index] != path.parent.name:
        return f"{answers.classes[index]}: {name}"
    return name


def figure(waveform: np.ndarray, longest: int, sample_rate: int, frames: Represent | None = None) -> dict[str, Any]:
    """A recording to see and to hear: ``picture`` and ``sound`` are data addresses; the ``width`` is in percent.

    Args:
        waveform: float32 [N].
        longest: the samples that the whole width stands for.
        frames: as for `wav2tok.report.page.page.write`; without it no tokens are drawn.
    """
    part = sound.head(waveform, sample_rate)
    seconds = len(waveform) / sample_rate
    cut = f", the first {sound.SECONDS:g} s shown" if len(part) < len(waveform) else ""
    return {
        "length": f"{seconds:.1f} s{cut}",
        "width": 100 * len(part) / longest,
        "picture": sound.spectrogram(part, sample_rate),
        "sound": sound.address(part, sample_rate),
        "blocks": [] if frames is None else _blocks(frames([waveform])[0], len(part) / len(waveform), seconds),
    }


def _blocks(frames: np.ndarray, share: float, seconds: float) -> list[dict[str, Any]]:
    """The runs of tokens along time, in the first ``share`` of ``frames`` [T]."""
    whole, frames = len(frames), frames[: max(1, round(share * len(frames)))]
    return [
        {
            "token": frames[start],
            "frames": length,
            "numbered": length >= _NUMBERED * len(frames),
            "first": start / whole * seconds,
            "last": (start + length) / whole * seconds,
        }
        for start, length in zip(*runs(frames), strict=True)
    ]


def alignment(query: np.ndarray, answer: np.ndarray, role: str) -> dict[str, Any]:
    """A cheapest way to turn the query's string into the answer's; int [L] each.

    Args:
        role: what the answer is.

    Returns:
        ``counts`` of tokens by operation, ``edits`` and the length of the ``longer`` string; ``columns`` of
        (CSS class, mark, token above, token below), at most as many as the page shows, where None is a gap.
    """
    columns = []
    counts = dict.fromkeys(_MARKS, 0)
    for i, j in aligned(query, answer):
        above, below = None if i is None else int(query[i]), None if j is None else int(answer[j])
        tag = "insert" if i is None else "delete" if j is None else "equal" if above == below else "replace"
        counts[tag] += 1
        mark, kind = _MARKS[tag]
        columns.append((kind, mark, above, below))
    return {
        "role": role,
        "counts": counts,
        "edits": counts["replace"] + counts["delete"] + counts["insert"],
        "longer": max(len(query), len(answer)),
        "matched": len(query) > 0 and len(answer) > 0,
        "columns": columns[:_SHOWN],
        "hidden": len(columns[_SHOWN:]),
    }
