from hypothesis import given
from hypothesis import strategies as st

from wav2tok.sample.performance import HIGHEST_HZ, LOWEST_HZ, hertz
from wav2tok.sample.singers import draw


@given(st.integers(0, 500), st.integers(0, 2**32))
def test_a_singer_is_within_human_reach(index, seed):
    singer = draw(index, seed)
    assert LOWEST_HZ < hertz(singer.style.centre_midi) < HIGHEST_HZ
    assert 0.75 <= singer.style.tempo <= 1.3
    assert 0 < singer.style.damping < 1
    assert 10 <= singer.style.tuning_cents <= 75
    assert 20 <= singer.room.snr_db <= 40
    assert list(singer.voice.formants_hz[2:]) == sorted(singer.voice.formants_hz[2:])


def test_a_cast_mixes_low_and_high_voices_hummers_and_singers():
    cast = [draw(index, 0) for index in range(20)]
    assert all(draw(i, 0).style.centre_midi < draw(i + 1, 0).style.centre_midi for i in range(0, 20, 2))
    assert {singer.style.articulation for singer in cast} == {"legato", "m", "n", "da"}
    hummers = sum(singer.voice.openness < 0.3 for singer in cast)
    assert 0 < hummers < 20
