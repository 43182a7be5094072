"""The page of sums: arithmetic on given rates, and the committed page is the one that the measured rates give."""

import dataclasses

import pytest

from benchmarks import sums

RATES = sums.Rates(
    cores=2,
    audio=dict.fromkeys(sums.AUDIO.values(), 720.0),
    spectra=50e6,
    index_bytes=5.0,
    index_build=100.0,
    search=0.002,
    row=100.0,
    path=400.0,
)


def test_work_in_core_hours():
    """Two cores hear 720 s in a second, so 720 hours in an hour, which is two core hours."""
    work = sums.core_hours(RATES, 720)
    assert work["tokenizing"] == pytest.approx(2)
    assert work["building indexes"] == pytest.approx(720 * 360 / 100 / 3600)


def test_storage_in_bytes():
    kept = sums.storage(RATES, 1000)
    assert kept["recordings, uncompressed"] == pytest.approx(115.2e9)
    assert kept["spectra of a training, on the disk of one machine"] == pytest.approx(50e9)
    assert kept["tokens in Parquet"] == pytest.approx(360_000 * 100)
    assert kept["indexes"] == pytest.approx(360_000 * sums.TOKENS * 5)


def test_what_gives_way_first_comes_first():
    found = sums.limits(RATES)
    assert list(found.values()) == sorted(found.values())
    assert found["training: its spectra fill a disk of 1 TB"] == pytest.approx(20_000)
    assert found["one machine of 2 cores: tokenizing takes more than a day"] == pytest.approx(17_280)
    worse = sums.limits(dataclasses.replace(RATES, spectra=5e9))
    assert next(iter(worse)).startswith("training")


def test_the_page_is_that_of_the_measured_rates():
    assert sums.PAGE.read_text(encoding="utf-8") == sums.page(sums.measured()), "run python -m benchmarks.sums"
