"""Which classes are kept from a training."""

from hypothesis import given
from hypothesis import strategies as st

from wav2tok.corpus.classes import drawn, without
from wav2tok.corpus.recordings import Recordings

NAMES = st.sets(st.text(min_size=1, max_size=4), min_size=1, max_size=30)


@given(names=NAMES, share=st.floats(0.01, 0.99), seed=st.integers(0, 9))
def test_about_the_share_is_drawn_and_one_class_stays(names: set[str], share: float, seed: int) -> None:
    chosen = drawn(names, share, seed)
    assert chosen <= names
    assert len(chosen) == min(max(1, round(share * len(names))), len(names) - 1)
    assert chosen == drawn([*names, *names], share, seed)
    assert drawn(names, 0.0, seed) == frozenset()


@given(names=NAMES, more=NAMES, share=st.floats(0.01, 0.99), seed=st.integers(0, 9))
def test_further_classes_change_no_ones_place_in_the_order(
    names: set[str], more: set[str], share: float, seed: int
) -> None:
    """Of the classes that were there before, the chosen ones are still the first of the same order."""
    before, after = drawn(names, share, seed), drawn(names | more, share, seed) & names
    assert before <= after or after <= before


def test_another_seed_draws_others() -> None:
    names = [f"word{i}" for i in range(40)]
    assert len({drawn(names, 0.25, seed) for seed in range(5)}) == 5


def test_the_recordings_of_classes_are_left_out() -> None:
    recordings = Recordings(("p/a.wav", "q/a.wav", "p/b.wav"), ("p", "q", "p"))
    assert without(recordings, {"p"}).paths == ("q/a.wav",)
    assert without(recordings, ()) == recordings
