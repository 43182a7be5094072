"""The manifest: measurements against a plain float64 oracle, what counts as unreadable, and the CSV round trip."""

import dataclasses
import hashlib
import io
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.audio import decode
from wav2tok.audio.find import find
from wav2tok.corpus import manifest
from wav2tok.corpus.manifest import Entry
from wav2tok.errors import UserError


def noise(seconds: float, rate: int = 16000, amplitude: float = 0.1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-amplitude, amplitude, int(seconds * rate))


def write(path: Path, samples: np.ndarray, rate: int = 16000, subtype: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def oracle(samples: np.ndarray, frame: int) -> tuple[float, float, float]:
    """RMS in dBFS, clipped share and silence share of float [N, C], in float64 and one sample at a time."""
    values = [abs(float(v)) for row in samples for v in row]
    mixed = [math.fsum(map(float, row)) / len(row) for row in samples]
    offset = math.fsum(mixed) / len(mixed)
    mono = [v - offset for v in mixed]
    power = math.fsum(v * v for v in mono) / len(mono)
    if power < 1e-14:  # rounding
        mono, power = [0.0] * len(mono), 0.0
    frames = [mono[i : i + frame] for i in range(0, len(mono), frame)]
    decibels = [10 * math.log10(max(1e-40, math.fsum(v * v for v in f) / len(f))) for f in frames]
    silent = [d <= max(decibels) - 40 or max(decibels) == -400 for d in decibels]
    return (
        max(-200.0, 10 * math.log10(max(power, 1e-40))),
        sum(v >= 0.999 for v in values) / len(values),
        sum(silent) / len(silent),
    )


# Such that no frame lies within rounding of 40 dB under another, and some on either side of full scale.
LEVELS = st.sampled_from([0.0, 2.0**-12, -(2.0**-9), 2.0**-5, -0.25, 0.5, 0.998, 0.9995, -1.0, 1.0])


@settings(deadline=None, max_examples=150)
@given(data=st.data(), channels=st.integers(1, 3), frame=st.integers(1, 5), per_block=st.integers(1, 4))
def test_levels_agree_with_the_oracle(data, channels, frame, per_block):
    runs = data.draw(
        st.lists(
            st.tuples(st.lists(LEVELS, min_size=channels, max_size=channels), st.integers(1, 12)),
            min_size=1,
            max_size=8,
        )
    )
    samples = np.array([row for row, times in runs for _ in range(times)], dtype=np.float32)
    samples = np.repeat(samples[:, :1], channels, axis=1)  # channels that differ may cancel each other
    size = frame * per_block
    found = manifest.levels((samples[i : i + size] for i in range(0, len(samples), size)), frame)
    rms, clipped, silence = oracle(samples, frame)
    assert found.samples == len(samples)
    assert found.rms_dbfs == pytest.approx(rms, abs=1e-4)
    assert found.clipped_share == pytest.approx(clipped, abs=1e-12)
    assert found.silence_share == pytest.approx(silence, abs=1e-12)


def test_signal_above_noise_is_that_of_the_loudest_and_the_quietest_frames():
    sine = np.sin(2 * np.pi * 100 * np.arange(16000) / 16000)[:, None].astype(np.float32)
    quiet = np.concatenate([0.5 * sine, 0.005 * sine, 0.5 * sine])
    assert manifest.levels([quiet], 320).snr_db == pytest.approx(40, abs=0.01)
    # Digital silence must not divide by 0, and a constant offset must not count as noise.
    paused = np.concatenate([0.5 * sine, np.zeros_like(sine)])
    expected = 10 * math.log10(0.125 / manifest.NOISE_FLOOR)
    assert manifest.levels([paused], 320).snr_db == pytest.approx(expected, abs=0.01)
    assert manifest.levels([quiet + np.float32(0.25)], 320).snr_db == pytest.approx(40, abs=0.1)


def test_known_levels():
    sine = np.sin(2 * np.pi * 100 * np.arange(16000) / 16000)[:, None].astype(np.float32)
    assert manifest.levels([sine * 0.5], 320).rms_dbfs == pytest.approx(-9.031, abs=0.001)
    assert manifest.levels([np.zeros((640, 1), np.float32)], 320) == manifest.Levels(640, -200.0, 0.0, 1.0, 0.0, 0.0)
    paused = np.concatenate([sine[:3200], np.zeros((12800, 1), np.float32)])
    assert manifest.levels([paused], 320).silence_share == pytest.approx(0.8)
    opposed = np.concatenate([sine, -sine], axis=1)  # their mean is zero, so one of them is used
    assert manifest.levels([opposed], 320).rms_dbfs == pytest.approx(-3.01, abs=0.001)
    offset = manifest.levels([np.full((640, 1), 0.5, np.float32)], 320)
    assert (offset.rms_dbfs, offset.silence_share, offset.offset) == (-200.0, 1.0, 0.5)
    assert manifest.levels([opposed], 320).clipped_share > 0  # of the channels themselves


def test_silence_is_relative_to_the_loudest_frame():
    for gain in (1.0, 0.003):
        levels = np.concatenate([np.full(400, 0.5), np.full(400, 0.5 * 0.011), np.full(800, 0.5 * 0.009)]) * gain
        samples = levels * np.tile([1, -1], 800)
        assert manifest.levels([samples[:, None].astype(np.float32)], 400).silence_share == pytest.approx(0.5)


def test_a_short_last_frame_is_judged_by_its_own_length():
    levels = np.concatenate([np.full(400, 0.5), np.full(20, 0.5 * 0.015)])  # 36 dB under, and 49 if spread over 400
    samples = levels * np.tile([1, -1], 210)
    assert manifest.levels([samples[:, None].astype(np.float32)], 400).silence_share == 0.0


@pytest.mark.parametrize(("suffix", "rate", "channels"), [("wav", 44100, 2), ("flac", 8000, 1), ("ogg", 48000, 1)])
def test_measure_reads_at_the_files_own_rate(tmp_path, suffix, rate, channels):
    samples = np.stack([noise(1.5, rate, seed=c) for c in range(channels)], axis=1)
    path = write(tmp_path / "yes" / "deep" / f"ann_b_1.{suffix}", samples, rate)
    entry = manifest.measure(path, tmp_path)
    assert entry.path == f"yes/deep/ann_b_1.{suffix}"
    assert (entry.class_name, entry.group, entry.error) == ("yes", "ann", "")
    assert (entry.seconds, entry.sample_rate) == (1.5, rate)
    decoded, _ = soundfile.read(path, always_2d=True, dtype="float32")
    rms, clipped, silence = oracle(decoded, round(rate * 0.02))
    assert entry.clipped_share == clipped
    assert entry.rms_dbfs == pytest.approx(rms, abs=0.001)
    assert entry.silence_share == pytest.approx(silence, abs=1e-6)
    assert entry.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_long_file_is_read_in_blocks_and_whole(tmp_path):
    samples = np.concatenate([noise(10, amplitude=0.5), np.zeros(16000 * 15), noise(0.03)])
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    entry = manifest.measure(path, tmp_path)
    rms, _, silence = oracle(samples[:, None], 320)
    assert entry.seconds == 25.03
    assert entry.rms_dbfs == pytest.approx(rms, abs=0.001)
    assert entry.silence_share == pytest.approx(silence, abs=1e-6)
    assert (entry.class_name, entry.group) == ("", "a")


def encoded(suffix: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, noise(30, seed=1), 16000, format=suffix)
    return file.getvalue()


def holed(content: bytes) -> bytes:
    return content[: len(content) // 2] + bytes(3000) + content[len(content) // 2 + 3000 :]


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize(
    "damage",
    [bytes, lambda c: c[:30], lambda c: c[: len(c) // 2], holed, lambda c: c],
    ids=["empty", "header", "half", "hole", "whole"],
)
def test_readable_means_that_audio_read_takes_it(tmp_path, suffix, damage):
    content = encoded(suffix)
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"" if damage is bytes else damage(content))
    entry = manifest.measure(path, tmp_path)
    try:
        samples = decode.read(path, 16000)
    except decode.UnreadableError:
        assert entry.error
        assert entry.seconds == 0
        assert entry.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    else:
        assert entry.error == ""
        assert entry.seconds == round(len(samples) / 16000, 6)


def test_damage_inside_is_noticed(tmp_path):
    for suffix in ("flac", "ogg", "mp3"):
        (tmp_path / f"a.{suffix}").write_bytes(holed(encoded(suffix)))
    assert all(e.error for e in manifest.build(tmp_path))


def test_reasons(tmp_path):
    write(tmp_path / "empty.wav", np.zeros(0))
    write(tmp_path / "nan.wav", np.array([0.1, np.nan]), subtype="FLOAT")
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "half.mp3").write_bytes(encoded("mp3")[:60000])
    reasons = {e.path: e.error for e in manifest.build(tmp_path)}
    assert reasons.pop("half.mp3").startswith("ends after ")
    assert reasons == {
        "empty.wav": "holds no samples",
        "nan.wav": "holds samples that are not finite numbers",
        "text.wav": "cannot be read as audio (Format not recognised)",
    }


@pytest.mark.promise("A file name that is not UTF-8", "It is listed, and stays what it is.")
def test_a_name_that_is_not_utf8_is_listed_and_travels(tmp_path):
    path = write(tmp_path / "a.wav", noise(1))
    odd = path.rename(tmp_path / "a\udcff.wav")
    entries = manifest.build(tmp_path)
    assert [(e.path, e.error) for e in entries] == [(odd.name, "has a name that is not valid UTF-8")]
    manifest.write_csv(entries, tmp_path / "manifest.csv")
    assert manifest.read_csv(tmp_path / "manifest.csv") == entries
    assert len(manifest.manifest_digest(entries)) == 64


def test_build_keeps_the_order_of_find(tmp_path):
    for i in range(12):  # the longest first, so that threads would finish in another order
        write(tmp_path / f"c{i % 3}" / f"s{i}_0.flac", noise(3 if i == 0 else 0.2, seed=i))
    (tmp_path / "c0" / "notes.txt").write_text("not audio")
    entries = manifest.build(tmp_path)
    assert [e.path for e in entries] == [p.relative_to(tmp_path).as_posix() for p in find(tmp_path)]
    with pytest.raises(UserError, match="is not a folder"):
        manifest.build(tmp_path / "nowhere")


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
READABLE = st.builds(Entry, TEXT, TEXT, TEXT, NUMBERS, st.integers(), NUMBERS, NUMBERS, NUMBERS, TEXT)
UNREADABLE = st.builds(Entry, TEXT, TEXT, TEXT, sha256=TEXT, error=TEXT.filter(bool))


@settings(deadline=None, max_examples=100)
@given(entries=st.lists(READABLE | UNREADABLE, max_size=5))
def test_csv_round_trip_is_exact(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("csv") / "manifest.csv"
    manifest.write_csv(entries, path)
    assert manifest.read_csv(path) == entries


def test_csv_columns_and_blanks(tmp_path):
    path = tmp_path / "manifest.csv"
    manifest.write_csv([Entry("a.wav", "", "a", sha256="5", error="holds no samples")], path)
    header, row = path.read_text().splitlines()
    assert header.replace('"', "") == (
        "path,class,group,seconds,sample_rate,rms_dbfs,clipped_share,silence_share,sha256,error,offset,doubt,source,"
        "snr_db"
    )
    assert row.replace('"', "") == "a.wav,,a,,,,,,5,holds no samples,,,,"


@pytest.mark.promise("manifest.csv with a byte order mark and CRLF", "It is read like any other.")
def test_a_manifest_that_a_spreadsheet_has_saved(tmp_path):
    path = tmp_path / "manifest.csv"
    entries = [Entry("ü.wav", "a", "b", 1.0, 16000), Entry("b.wav", "", "b", error="holds no samples")]
    manifest.write_csv(entries, path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert manifest.read_csv(path) == entries


def test_a_manifest_of_before_there_were_sources_is_read(tmp_path):
    path = tmp_path / "manifest.csv"
    entries = [Entry("a.wav", "", "a", 1.0, 16000), Entry("b.wav", "", "b", error="holds no samples")]
    manifest.write_csv(entries, path)
    path.write_text("\n".join(line.rpartition(",")[0] for line in path.read_text().splitlines()))
    assert manifest.read_csv(path) == entries


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
def test_a_number_that_is_not_finite_is_refused(tmp_path, value):
    path = tmp_path / "manifest.csv"
    manifest.write_csv([Entry("a.wav", "", "a", 1.5, 16000)], path)
    path.write_text(path.read_text().replace("1.5", value))
    with pytest.raises(UserError, match=r"is not a manifest \(row 2 cannot be read\)"):
        manifest.read_csv(path)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\0", '"unclosed'])
def test_a_file_that_is_not_a_manifest_is_refused(tmp_path, text):
    path = tmp_path / "manifest.csv"
    path.write_text(text)
    with pytest.raises(UserError, match="is not a manifest"):
        manifest.read_csv(path)


@pytest.mark.parametrize(
    "change",
    [lambda row: row.replace("16000", "fast"), lambda row: row + ",more", lambda row: row.replace("16000", "")],
)
def test_a_broken_row_is_named(tmp_path, change):
    path = tmp_path / "manifest.csv"
    manifest.write_csv([Entry("a.wav", "", "a", 1.0, 16000)] * 2, path)
    header, first, second = path.read_text().splitlines()
    path.write_text("\n".join([header, first, change(second)]))
    with pytest.raises(UserError, match="row 3"):
        manifest.read_csv(path)
    with pytest.raises(UserError, match="does not exist"):
        manifest.read_csv(tmp_path / "other.csv")


def test_further_columns_are_ignored(tmp_path):
    """A user adds columns of their own, and older manifests had more."""
    path = tmp_path / "manifest.csv"
    entries = [Entry("a.wav", "", "a", 1.0, 16000), Entry("b.wav", "", "b", error="holds no samples")]
    manifest.write_csv(entries, path)
    path.write_text(
        "\n".join(f"{text},{line}" for text, line in zip("xyz", path.read_text().splitlines(), strict=True))
    )
    assert manifest.read_csv(path) == entries


def test_digest_follows_paths_and_contents_only():
    a, b = Entry("a.wav", "", "a", sha256="1"), Entry("b.wav", "", "b", sha256="2")
    digest = manifest.manifest_digest([a, b])
    assert digest == manifest.manifest_digest([b, dataclasses.replace(a, rms_dbfs=-9.0)])
    changed = [[a], [a, dataclasses.replace(b, sha256="3")], [a, dataclasses.replace(b, path="c.wav")], []]
    assert len({digest, *map(manifest.manifest_digest, changed)}) == 5


@pytest.mark.promise("A FLAC with other samples than its MD5 says", "validate warns and names the file.")
def test_a_flac_whose_samples_were_altered(tmp_path):
    for name, first in (("kept", 0), ("altered", 1), ("unmarked", 0)):
        path = tmp_path / f"{name}_1.flac"
        soundfile.write(path, np.sin(np.arange(8000) / 9) / 3, 8000, subtype="PCM_16")
        content = bytearray(path.read_bytes())
        if name != "kept":
            content[26:42] = bytes([first] * 16)
        path.write_bytes(content)
    doubts = {entry.path: entry.doubt for entry in manifest.build(tmp_path)}
    assert doubts == {
        "altered_1.flac": "has other samples than were encoded, by the MD5 in its header",
        "kept_1.flac": "",
        "unmarked_1.flac": "",
    }
