"""Windows against the recording they were cut from, whose samples are their own numbers."""

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wav2tok.audio.windows import Cutter, Window, windows

SIZES = st.lists(st.integers(0, 60), min_size=1, max_size=12)
SHAPE = {"hop": st.integers(1, 7), "core": st.integers(1, 6), "margin": st.integers(0, 5)}


def blocks(sizes: list[int]) -> Iterator[np.ndarray]:
    """A recording whose samples are 0, 1, 2, ..., in blocks."""
    begin = 0
    for size in sizes:
        yield np.arange(begin, begin + size, dtype=np.float32)
        begin += size


def placed(found: list[Window], hop: int, margin: int) -> Iterator[tuple[int, int, Window]]:
    """Each window, the first frame that it stands for, and the sample that it begins with."""
    first = 0
    for window in found:
        yield first, max(0, first - margin) * hop, window
        first += window.keep


@given(sizes=SIZES, **SHAPE)
def test_kept_frames_are_those_of_the_recording_in_order(sizes: list[int], hop: int, core: int, margin: int) -> None:
    total, centres = sum(sizes), []
    for window in windows(blocks(sizes), hop, core, margin):
        for frame in range(window.skip, window.skip + window.keep):
            at = frame * hop
            at_end = at == len(window.waveform)
            # The last frame may be centred on the very end, where no sample is.
            assert not at_end or at == 0 or window.waveform[-1] == total - 1
            centres.append(total if at_end else int(window.waveform[at]))
    assert centres == [frame * hop for frame in range(total // hop + 1)]


@given(sizes=SIZES, **SHAPE)
def test_windows_are_pieces_of_the_recording_with_margins(sizes: list[int], hop: int, core: int, margin: int) -> None:
    total = sum(sizes)
    found = list(windows(blocks(sizes), hop, core, margin))
    assert sum(window.keep for window in found) == total // hop + 1
    for first, begin, window in placed(found, hop, margin):
        n = len(window.waveform)
        assert np.array_equal(window.waveform, np.arange(begin, begin + n))
        assert window.skip == min(margin, first)
        assert n // hop + 1 - window.skip - window.keep >= margin or begin + n == total
        assert n <= (core + 2 * margin) * hop + (hop - 1 if window is found[-1] else 0)
    assert all(window.keep == core for window in found[:-1])
    assert len(found) == 1 or margin + 1 <= found[-1].keep <= core + margin


@given(sizes=SIZES, **SHAPE)
def test_how_blocks_are_cut_does_not_matter(sizes: list[int], hop: int, core: int, margin: int) -> None:
    cut, whole = (list(windows(blocks(s), hop, core, margin)) for s in (sizes, [sum(sizes)]))
    assert [(w.waveform.tolist(), w.skip, w.keep) for w in cut] == [
        (w.waveform.tolist(), w.skip, w.keep) for w in whole
    ]


@given(sizes=SIZES, **SHAPE)
def test_no_more_is_read_than_a_window_needs(sizes: list[int], hop: int, core: int, margin: int) -> None:
    read = 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal read
        for block in blocks(sizes):
            read += len(block)
            yield block

    needed = 0
    for window in windows(counted(), hop, core, margin):
        needed += window.keep * hop
        assert read < needed + margin * hop + max(1, *sizes, hop)


@given(sizes=SIZES, hop=st.integers(1, 7), core=st.integers(1, 6), before=st.integers(0, 5), after=st.integers(0, 5))
def test_a_growing_recording_may_have_other_margins_before_and_after(sizes, hop, core, before, after):
    cutter = Cutter(hop, core, before, after)
    found = [window for block in blocks(sizes) for window in cutter.push(block)] + [cutter.end()]
    assert sum(window.keep for window in found) == sum(sizes) // hop + 1
    for first, begin, window in placed(found, hop, before):
        assert np.array_equal(window.waveform, np.arange(begin, begin + len(window.waveform)))
        assert window.skip == min(before, first)
        assert window is found[-1] or len(window.waveform) == (window.skip + core + after) * hop
