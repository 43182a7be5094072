"""What metrics, views and axes are called in files, tables, plots and text."""

from dataclasses import dataclass

METRICS = {"mrr": "MRR", "map": "MAP", "p_at_1": "P@1", "r_at_10": "R@10"}
"""Retrieval metrics, by their key in metrics.json."""

SPOTTING = {
    "f1": "F1", "precision": "precision", "recall": "recall", "map": "MAP", "mtwv": "MTWV", "mrr": "MRR",
    "p_at_1": "P@1",
}  # fmt: skip
"""Metrics of spotting, by their key in metrics.json."""

VIEWS = {"V": "unchanged (V)", "TS": "time-stretched (TS)", "PS": "pitch-shifted (PS)"}
"""The kinds of view that queries are asked with."""

EXPLAINED = {
    "V": "the query as it was recorded",
    "TS": "the query made faster or slower",
    "PS": "the query shifted up or down in pitch",
}
"""What a kind of view is, in words."""

VARIANTS = {
    "heard": "queries of heard classes",
    "never_heard": "queries of classes that no training recording has, searched among the recordings of all classes",
    "all_takes": "all other takes are searched, also those of the query's own singer or source recording",
    "distractors": "hums of invented melodies by synthetic singers are in the database as well, relevant to no query",
}
"""What is judged beside the task, by its key in metrics.json and headline.json."""

ORIGIN = {
    "date": "date", "commit": "commit", "data": "test data", "model": "model", "run": "MLflow run", "seed": "seed",
}  # fmt: skip
"""Where figures come from, by attribute of `wav2tok.report.page.page.Origin`."""

PAIRS = {
    "same_class": "recordings of one class",
    "other_class": "recordings of two classes",
    "TS": "a recording and its time-stretched views",
    "PS": "a recording and its pitch-shifted views",
}
"""The pairs of strings that token metrics compare."""

TOKENS = {
    "codebook_use": "share of the codebook in use",
    "perplexity": "perplexity",
    "tokens_per_second": "tokens a second",
    "bits_per_second": "bits a second",
    **{f"jaccard_{pair}": f"bigram Jaccard, {text}" for pair, text in PAIRS.items()},
    **{f"edit_{pair}": f"normalised edit distance, {text}" for pair, text in PAIRS.items()},
}
"""Token metrics, by their key in metrics.json."""


@dataclass(frozen=True)
class Axis:
    """One axis of the robustness curves.

    Attributes:
        key: its name in files and in MLflow.
        name: what changes along it, in one word.
        label: its values with their unit.
    """

    key: str
    name: str
    label: str


AXES = {
    "SNR": Axis("snr_db", "noise", "dB of the query above babble"),
    "ROOM": Axis("room_snr_db", "room", "dB of the query above babble, in a room"),
    "TS": Axis("tempo", "tempo", "tempo of the query"),
    "PS": Axis("semitones", "key", "semitones of the query's shift"),
}
"""By the kind of view."""


def factor_name(factor: float) -> str:
    """A place on an axis: its number, or "clean" for the query without noise, whose SNR is infinite."""
    return "clean" if factor == float("inf") else f"{factor:g}"


def variant(name: str, distractors: int = 0) -> str:
    """A variant of the task in the cell of a table; the task itself has no name."""
    return f"with {distractors:,} distractors" if distractors else name.replace("_", " ") or "all queries"
