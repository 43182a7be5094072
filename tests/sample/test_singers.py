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
