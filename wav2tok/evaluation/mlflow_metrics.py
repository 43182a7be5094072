"""MRR and MAP for `mlflow.models.evaluate`: a registered version is measured without our command line.

They are those of the report for plain edit distance and unchanged queries (the view V). How to call it:
``docs/pages/howto/models.md``.

Instead of a model's address, a function may stand there that takes the table and returns a token string for each row:
text with the numbers of the tokens in it, such as ``"5 7 2"``, or a sequence of them. It can read the files of the
column ``path``.
"""

import base64
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wav2tok.config.schema import Evaluate
from wav2tok.corpus import audios_bin
from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError
from wav2tok.evaluation.retrieval import protocol
from wav2tok.matching import ranking
from wav2tok.matching.distances import edit_distances

if TYPE_CHECKING:
    import pandas as pd

CLEAN = "V"
"""The view whose figures these are."""


def table(data: str | Path, *, audio: bool = True) -> "pd.DataFrame":
    """The test part of an ``audios.bin``: a row for each recording, with path, class, group and source.

    Args:
        audio: also the column ``audio`` with the bytes of each file as base64, which is what a registered model takes.
            All of them are then in memory.

    Raises:
        UserError: the file cannot be read, or its recordings have no classes.
    """
    import pandas as pd

    test = audios_bin.read(data).test
    if test.classes is None:
        raise UserError(f"{data} has no classes, so its recordings as they are have no right answers.", "data")
    columns = {"path": test.paths, "class": test.classes, "group": test.groups, "source": test.sources}
    rows = pd.DataFrame({name: list(values) for name, values in columns.items()})
    if audio:
        rows["audio"] = [base64.b64encode(Path(path).read_bytes()).decode("ascii") for path in test.paths]
    return rows


def metrics(how: str = "auto") -> list[Any]:
    """MRR and MAP as MLflow's evaluation metrics, for ``extra_metrics``.

    They need the columns ``path``, ``group`` and ``source`` of `table`, and its ``class`` as the targets.

    Args:
        how: which recordings may answer, as ``evaluate.protocol``.
    """
    from mlflow.models import make_metric

    functions = {"mrr": 0, "map": 1}
    return [
        make_metric(eval_fn=_measure(how, place), greater_is_better=True, name=name)
        for name, place in functions.items()
    ]


def _measure(how: str, place: int) -> Any:
    # MLflow finds the columns by the names of these parameters.
    def measure(predictions: Any, targets: Any, path: Any, group: Any, source: Any) -> float:
        if len(predictions) == 1:  # MLflow first tries a metric on a single row, which has nothing to search
            return float("nan")
        return mrr_map(predictions, targets, path, group, source, how)[place]

    return measure


def mrr_map(
    predictions: Any, classes: Any, paths: Any, groups: Any, sources: Any, how: str = "auto"
) -> tuple[float, float]:
    """MRR and MAP of token strings by edit distance, each against those of the other recordings.

    Args:
        predictions: N token strings: text with numbers in it, or sequences of numbers.
        classes, paths, groups, sources: N of each, as `table` gives them.
        how: as ``evaluate.protocol``.

    Raises:
        UserError: nothing is relevant to any recording, or the protocol has no unchanged queries.
    """
    path, label, group, source = (tuple(map(str, column)) for column in (paths, classes, groups, sources))
    test = Recordings(path, label, group, sources=source)
    # Tempos and shifts are of other views.
    task = protocol.build(test, Evaluate(protocol=how, tempos=(), semitones=()))  # type: ignore[arg-type]
    if CLEAN not in task.kinds:
        raise UserError(f"the protocol {task.protocol} has no unchanged queries; name another.", "how")
    strings = [_tokens(one) for one in predictions]
    distances = edit_distances([strings[i] for i in task.queries], strings)
    hits = ranking.hits(ranking.rank(distances, task.candidates), task.relevant)
    average = ranking.average_precisions(hits, task.relevant.sum(axis=1))
    return float(ranking.reciprocal_ranks(hits).mean()), float(average.mean())


@functools.singledispatch
def _tokens(prediction: Any) -> np.ndarray:
    return np.asarray(prediction, dtype=np.int64)


@_tokens.register
def _(prediction: str) -> np.ndarray:
    return np.array(re.findall(r"\d+", prediction), dtype=np.int64)
