"""What the last seconds are like: the answers of the index for a file of these seconds."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.live.conftest import RATE
from wav2tok.audio import decode
from wav2tok.errors import UserError
from wav2tok.live.recent import Recent
from wav2tok.search.index import Index
from wav2tok.search.query import tokens_of


@pytest.fixture(scope="module")
def index(sung, humming) -> Index:
    return Index.build([sung], humming)


def answers(recent: Recent, parts):
    return [answer for part in parts for answer in recent.push(part)]


def test_an_answer_is_that_of_spot_for_these_seconds(index, humming, concert, tmp_path):
    wave = np.round(concert[0][: 10 * RATE] * 32768) / 32768
    found = answers(Recent(index, humming, RATE, seconds=4, top=3, expected=1e9), [wave.astype(np.float32)])
    assert [(one.start, one.end) for one in found] == [(max(0.0, end - 4.0), end) for end in np.arange(3.0, 11.0)]
    for one in found:
        decode.write(tmp_path / "part.wav", wave[round(one.start * RATE) : round(one.end * RATE)], RATE)
        assert one.hits == list(index.spot(tokens_of(tmp_path / "part.wav", humming), 3))


@settings(max_examples=5)
@given(cuts=st.lists(st.integers(0, 6 * RATE), max_size=10))
def test_how_the_sound_is_cut_into_pieces_changes_nothing(index, humming, concert, cuts):
    wave = concert[0][: 6 * RATE]
    whole = answers(Recent(index, humming, RATE), [wave])
    assert whole
    assert answers(Recent(index, humming, RATE), np.split(wave, sorted(cuts))) == whole


def test_a_recording_of_the_index_is_recognised_while_it_plays(index, humming, sung):
    path = sorted(sung.glob("*/singer01_01.flac"))[2]
    found = answers(Recent(index, humming, RATE), [decode.read(path, RATE)])
    assert found[0].end == 3.0
    paths = [hit.path for answer in found for hit in answer.hits]
    assert Counter(paths).most_common(1)[0][0] == str(path)


def test_silence_has_no_answer_and_nothing_grows(index, humming):
    recent = Recent(index, humming, RATE)
    for _ in range(30):
        assert recent.push(np.zeros(RATE, dtype=np.float32)) == []
        assert len(recent._last) == 5 * RATE


def test_what_is_wrong_is_refused(index, humming, speech):
    with pytest.raises(UserError, match="another tokenizer"):
        Recent(index, speech, RATE)
    for name, value in (("seconds", 1.0), ("top", 0), ("expected", -1.0)):
        with pytest.raises(UserError, match=f"{name} is"):
            Recent(index, humming, RATE, **{name: value})
