"""Which recordings share audio: windows, louder and noisy copies, and not what only sounds alike."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from wav2tok.audio import decode
from wav2tok.config import parameters
from wav2tok.corpus import manifest, sources, splits
from wav2tok.corpus.landmarks import HOP, RATE, Landmarks, landmarks
from wav2tok.corpus.listing import listing
from wav2tok.corpus.sources import joined
from wav2tok.corpus.validation import validate
from wav2tok.sample import singers
from wav2tok.sample.corpus import SAMPLE_RATE, take
from wav2tok.sample.melodies import melodies

TUNES = list(melodies(2, 0))
SINGERS = [singers.draw(index, 0) for index in range(3)]


def hum(tune: int, singer: int, performance: int = 0) -> np.ndarray:
    return take(TUNES[tune], SINGERS[singer], SAMPLE_RATE, np.random.default_rng([tune, singer, performance]))


@pytest.fixture(scope="module")
def hums() -> dict[str, np.ndarray]:
    """Two hums, the first one performed twice, and by another singer."""
    return {"one": hum(0, 0), "again": hum(0, 0, 1), "other": hum(0, 1), "tune": hum(1, 0)}


def found(folder: Path, waves: dict[str, np.ndarray], suffix: str = "flac", rate: int = SAMPLE_RATE) -> list[set[str]]:
    """The sources among recordings, as sets of their names."""
    for name, wave in waves.items():
        decode.write(folder / f"{name}.{suffix}", wave, rate)
    paths = [folder / f"{name}.{suffix}" for name in waves]
    seconds, digests = [decode.seconds(path) for path in paths], [path.stem for path in paths]
    together: dict[int, set[str]] = {}
    for path, first in zip(paths, sources.find(paths, seconds, digests).sources, strict=True):
        if first is not None:
            together.setdefault(first, set()).add(path.stem)
    return list(together.values())


def test_other_performances_of_a_melody_share_nothing(hums: dict[str, np.ndarray], tmp_path: Path) -> None:
    assert found(tmp_path, hums) == []


def test_windows_of_a_recording_are_one_source(hums: dict[str, np.ndarray], tmp_path: Path) -> None:
    """The first and the last share nothing, and hang together by the one between them."""
    whole = hums["one"]
    starts = [0, 22_003, 41_111]  # no multiple of a frame
    windows = {f"window{i}": whole[start : start + 32_000] for i, start in enumerate(starts)}
    assert starts[2] > 32_000
    others = {name: wave for name, wave in hums.items() if name != "one"}
    assert found(tmp_path, {**windows, **others}) == [set(windows)]


def test_a_copy_begins_and_ends_with_the_original_and_a_window_does_not(hums, tmp_path: Path) -> None:
    """Encoded as MP3, OGG and by the mu-law, at half the rate, or quieter: still the same recording."""
    whole, paths = hums["one"].astype(np.float32), [tmp_path / "one.wav"]
    decode.write(paths[0], whole, SAMPLE_RATE)
    for name, how in {
        "copy.mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
        "copy.ogg": {"format": "OGG", "subtype": "VORBIS"},
        "copy.au": {"format": "AU", "subtype": "ULAW"},
    }.items():
        paths.append(tmp_path / name)
        soundfile.write(paths[-1], 0.5 * whole, SAMPLE_RATE, **how)
    paths.append(tmp_path / "half.wav")
    decode.write(paths[-1], decode.resample(whole, SAMPLE_RATE, 8000), 8000)
    paths.append(tmp_path / "window.wav")
    decode.write(paths[-1], whole[20_000:], SAMPLE_RATE)
    seconds = [decode.seconds(path) for path in paths]
    found = sources.find(paths, seconds, [path.name for path in paths])
    assert found == ([0] * 6, [0, 0, 0, 0, 0, None])


@pytest.mark.parametrize(
    "change",
    [
        lambda wave, rng: 0.05 * wave,
        lambda wave, rng: -0.7 * wave,
        lambda wave, rng: wave + np.sqrt(np.mean(wave**2) / 10**1.5) * rng.standard_normal(len(wave)),
        lambda wave, rng: 0.4 * wave[30_000:],
    ],
    ids=["quiet", "inverted", "15 dB of noise", "cut"],
)
def test_a_changed_copy_is_of_the_same_source(change, hums: dict[str, np.ndarray], tmp_path: Path) -> None:
    copy = change(hums["one"], np.random.default_rng(0))
    assert found(tmp_path, {**hums, "copy": copy}) == [{"one", "copy"}]


def test_a_copy_at_another_sampling_rate_is_of_the_same_source(hums: dict[str, np.ndarray], tmp_path: Path) -> None:
    decode.write(tmp_path / "copy.wav", decode.resample(hums["one"].astype(np.float32), SAMPLE_RATE, 44_100), 44_100)
    decode.write(tmp_path / "one.wav", hums["one"], SAMPLE_RATE)
    paths = [tmp_path / "copy.wav", tmp_path / "one.wav"]
    assert sources.find(paths, [decode.seconds(path) for path in paths], ["a", "b"]) == ([0, 0], [0, 0])


def test_silence_and_a_common_signal_connect_nothing(hums: dict[str, np.ndarray], tmp_path: Path) -> None:
    """Silence, a beep of .3 s that every recording begins with, and mains hum are not recordings of one source."""
    time = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    beep = 0.3 * np.sin(2 * np.pi * 1000 * time[:4800])
    waves = {name: np.concatenate([beep, wave]) for name, wave in hums.items()}
    waves |= {f"silence{i}": np.zeros(32_000 + i) for i in range(3)}
    for i in range(3):
        noise = np.random.default_rng(i).standard_normal(len(time))
        waves[f"mains{i}"] = 0.01 * np.sin(2 * np.pi * 150 * time) + 0.01 * noise
    assert found(tmp_path, waves) == []


def test_equal_files_are_one_source_however_short(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.wav", "b.wav", "c.wav")]
    for path in paths:
        decode.write(path, np.zeros(100), RATE)
    assert sources.find(paths, [0.0125] * 3, ["x", "y", "x"]) == ([0, None, 0], [0, None, 0])
    assert sources.find([], [], []) == ([], [])


@given(seed=st.integers(0, 99), size=st.integers(2000, 9000), delay=st.integers(1, 20))
def test_landmarks_do_not_depend_on_where_a_recording_begins(seed: int, size: int, delay: int) -> None:
    """Whole frames later it has the same ones, but for its edges; and blocks lose few of them."""
    wave = np.random.default_rng(seed).standard_normal(3 * RATE).astype(np.float32)
    one, later = landmarks([wave]), landmarks([wave[delay * HOP :]])
    ours, theirs = (set(zip(*x, strict=True)) for x in ((one.kinds, one.frames), (later.kinds, later.frames + delay)))
    assert len(ours & theirs) > 0.7 * len(theirs)
    assert landmarks([]).kinds.size == landmarks([wave[:100]]).kinds.size == 0
    parts = landmarks(np.array_split(wave, range(size, len(wave), size)))
    assert len(set(zip(*parts, strict=True)) & ours) > 0.2 * len(ours)
    assert (np.diff(parts.frames) >= -2 * 63).all()


def test_a_common_landmark_costs_no_square() -> None:
    """A thousand recordings with one landmark in common, a hundred times each: few comparisons and no candidate."""
    many = [Landmarks(np.full(100, 7, np.uint32), np.arange(100, dtype=np.int32)) for _ in range(1000)]
    assert len(list(sources.candidates(many))) < 8 * 1000


@given(
    rows=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "", "x", "y"]), st.booleans()), max_size=12)
)
def test_groups_and_sources_are_joined_to_connected_components(rows: list[tuple[str, str, bool]]) -> None:
    groups, shared, named = ([row[i] for row in rows] for i in range(3))
    done = joined(groups, shared, named)

    def linked(i: int, j: int) -> bool:
        known = [named[k] or not shared[k] for k in (i, j)]
        return bool(groups[i] == groups[j] and all(known)) or bool(shared[i] and shared[i] == shared[j])

    reached = np.eye(len(rows), dtype=bool) | np.array(
        [[linked(i, j) for j in range(len(rows))] for i in range(len(rows))], dtype=bool
    ).reshape(len(rows), len(rows))
    for _ in rows:
        reached = reached @ reached
    for i in range(len(rows)):
        for j in range(len(rows)):
            assert (done[i] == done[j]) == reached[i, j]
    if not any(shared):
        assert done == tuple(groups)


def test_validate_and_split_keep_a_source_together(hums: dict[str, np.ndarray], tmp_path: Path) -> None:
    """From files: the manifest names the source, a warning says so, and no window leaves its part."""
    root = tmp_path / "data"
    for tune in range(2):
        (root / str(tune)).mkdir(parents=True)
        for singer in range(3):
            wave = hum(tune, singer)
            for i, start in enumerate((0, 12_000, 24_000)):
                number = 3 * singer + i  # "take1" of two tunes is not by one singer
                decode.write(root / str(tune) / f"take{number}.flac", wave[start : start + 32_000], SAMPLE_RATE)
    config = parameters.from_dict({"split": {"test_share": 0.3}})
    report = validate(root, tmp_path / "out", config)
    (warning,) = [text for text in report.warnings if text.startswith("shared_audio")]
    assert warning.startswith("shared_audio: recordings that contain the same audio as another: 18 of 18 files, ")
    assert "0/take1.flac (of the source 0/take0.flac)" in warning
    assert report.summary["sources"] == 6
    entries = manifest.read_csv(tmp_path / "out" / "manifest.csv")
    assert {e.path: e.source for e in entries if e.source != e.path}["1/take5.flac"] == "1/take3.flac"
    recordings = listing(root, config.split, tmp_path / "out" / "manifest.csv")
    assert len(set(recordings.groups)) == 6
    done = splits.split(recordings, test_share=0.3, valid_share=0.3, seed=0, group=True)
    for part in (done.train, done.valid, done.test):
        assert len(part) == 3 * len(set(part.sources))


def test_the_hums_are_of_nine_recordings(real_data: Path) -> None:
    paths = sorted((real_data / "hums").glob("*/*.flac"))
    seconds = [decode.seconds(path) for path in paths]
    firsts = sources.find(paths, seconds, list(map(str, paths))).sources
    assert None not in firsts
    assert len(set(firsts)) == 9
    for first, path in zip(firsts, paths, strict=True):
        assert first is not None
        assert paths[first].parent == path.parent
