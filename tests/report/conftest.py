"""A small evaluation and its page, which the tests of the page share."""

import numpy as np
import pytest

from tests.report.pages import HOSTILE, RATE, VERDICT, judge, tune
from wav2tok.audio import decode
from wav2tok.corpus.recordings import Recordings
from wav2tok.evaluation.baselines.frames import log_mel
from wav2tok.evaluation.held_out import Judged
from wav2tok.report.page import page


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Recordings:
    """Three singers, three tunes, one take each; the names are as hostile as file names can be."""
    root = tmp_path_factory.mktemp("page")
    paths, classes = [], []
    for number, (name, notes) in enumerate(zip(HOSTILE, ((0, 4, 7), (12, 5, 2), (3, 10, 3, 6)), strict=True)):
        for seed, singer in enumerate("abc"):
            paths.append(str(root / f"{singer}_<i>&'\"{number}.wav"))
            classes.append(name)
            decode.write(paths[-1], tune(notes, seed), RATE)
    return Recordings(tuple(paths), tuple(classes))


@pytest.fixture(scope="session")
def judged(corpus) -> Judged:
    """The corpus with a certain worst miss: the first query's right answers come last."""
    judged, _ = judge(corpus, corpus)
    answers = judged.retrieval.answers
    right = np.flatnonzero(answers.relevant[0])
    wrong = np.setdiff1d(np.flatnonzero(~answers.relevant[0]), answers.query_index[0])
    answers.order[0] = [*wrong, *right, -1]
    return judged


@pytest.fixture(scope="session")
def framewise(corpus):
    """One token per frame, as a tokenizer returns them."""
    bands = log_mel(RATE)
    return lambda waves: [frames[:, :8].argmax(axis=1) for frames in bands(waves)]


@pytest.fixture(scope="session")
def source(judged, framewise) -> str:
    return page.render(judged, VERDICT, RATE, framewise)
