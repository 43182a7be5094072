"""A small evaluation by a simple encoder, which several tests share."""

import pytest

from tests.evaluation.tunes import SETTINGS, Encoder, sung
from wav2tok.config.parameters import from_dict
from wav2tok.evaluation.baselines.kmeans import nearest
from wav2tok.evaluation.retrieval.evaluate import evaluate
from wav2tok.evaluation.retrieval.result import Result


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Two singers, three tunes: one take each, so the protocol is hums."""
    return sung(tmp_path_factory.mktemp("tunes"), "ab")


@pytest.fixture(scope="session")
def train(tmp_path_factory):
    """The same tunes by three others."""
    return sung(tmp_path_factory.mktemp("training"), "xyz", start=5)


@pytest.fixture(scope="session")
def judged(corpus, train) -> Result:
    encoder = Encoder(train)
    few = nearest(encoder.bands, encoder.centroids[:2])
    return evaluate(
        train, corpus, encoder, encoder.centroids, few, from_dict({"evaluate": SETTINGS | {"room_snr_db": [0]}})
    )
