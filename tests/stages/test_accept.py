"""Accepted data, and later data beside it: ``wav2tok accept`` between two runs of ``wav2tok validate``."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from tests.conftest import RATE
from wav2tok.config.schema import Config
from wav2tok.corpus import past
from wav2tok.errors import UserError
from wav2tok.files import read_json, write_json
from wav2tok.stages.accept import accept
from wav2tok.stages.validate import validate

LOUD = "moved_level: the median level is "


@pytest.fixture
def place(tiny_corpus: Path, tiny_config: Config, tmp_path: Path) -> Path:
    """A corpus that was validated and accepted, and then got twelve loud recordings by known voices."""
    shutil.copytree(tiny_corpus, tmp_path / "data")
    validate(tmp_path / "data", tmp_path / "validation", tiny_config)
    accept(tmp_path / "validation", tmp_path / "accepted.csv")
    rng = np.random.default_rng(0)
    for path in sorted((tmp_path / "data").rglob("*_0.flac"))[:12]:
        wave = 0.9 * np.sign(rng.uniform(-1, 1, RATE // 2))
        soundfile.write(path.with_stem(f"{path.stem}9"), wave, RATE)
    return tmp_path


def test_what_moved_is_a_warning_with_figures_until_it_is_accepted(
    place: Path, tiny_config: Config, lines: list[str]
) -> None:
    validate(place / "data", place / "validation", tiny_config, accepted=place / "accepted.csv")
    (warning,) = [line for line in lines if line.startswith(LOUD)]
    assert " in 12 recordings added, and was " in warning
    assert "expected)" in warning
    assert "Compared with the accepted data, 12 recordings were added and 0 are gone." in lines[-1]
    found = read_json(place / "validation" / "validation.json")
    assert found["success"] is True
    assert "moved_level" in {one["name"] for one in found["compared"]["shifts"] if one["moved"]}
    page = (place / "validation" / "docs" / "index.html").read_text()
    assert "Compared with the accepted data" in page
    assert "✗ moved" in page
    assert "moved_level" in past.read(place / "validation" / "docs")[-1].failed

    accept(place / "validation", place / "accepted.csv")
    assert "with what moved: " in lines[-1]
    assert "moved_level" in lines[-1]
    del lines[:]
    validate(place / "data", place / "validation", tiny_config, accepted=place / "accepted.csv")
    assert not any(line.startswith("moved_") for line in lines)
    assert lines[-1].endswith("The recordings are those of the accepted data.")


def test_what_moved_stops_where_a_project_wants_it_and_can_be_accepted(
    place: Path, tiny_config: Config, lines: list[str]
) -> None:
    wanted = place / "expectations.yaml"
    wanted.write_text(yaml.safe_dump({"expectations": [{"name": "moved_level", "severity": "critical"}]}))
    before = (place / "accepted.csv").read_bytes()
    with pytest.raises(UserError, match=rf"is not good data yet: {LOUD}.*if what moved is right: wav2tok accept"):
        validate(place / "data", place / "validation", tiny_config, wanted, place / "accepted.csv")
    assert read_json(place / "validation" / "validation.json")["success"] is False
    assert (place / "accepted.csv").read_bytes() == before
    accept(place / "validation", place / "accepted.csv")
    validate(place / "data", place / "validation", tiny_config, wanted, place / "accepted.csv")


def test_data_that_is_not_good_or_not_validated_is_not_accepted(place: Path, tiny_config: Config) -> None:
    before = (place / "accepted.csv").read_bytes()
    soundfile.write(place / "data" / "arch" / "silent_0.flac", np.zeros(RATE), RATE)
    with pytest.raises(UserError, match="silent"):
        validate(place / "data", place / "validation", tiny_config, accepted=place / "accepted.csv")
    with pytest.raises(UserError, match="the data fails silent; fix it"):
        accept(place / "validation", place / "accepted.csv")
    manifest = place / "validation" / "manifest.csv"
    manifest.write_text("\n".join(manifest.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(UserError, match="run wav2tok validate again"):
        accept(place / "validation", place / "accepted.csv")
    assert (place / "accepted.csv").read_bytes() == before


def test_a_file_of_somebody_else_is_not_replaced(place: Path) -> None:
    (place / "mine.csv").write_text("mine")
    with pytest.raises(UserError, match=r"mine\.csv would be replaced and is not a profile"):
        accept(place / "validation", place / "mine.csv")
    assert (place / "mine.csv").read_text() == "mine"
    os.mkfifo(place / "pipe")
    with pytest.raises(UserError, match="pipe would be replaced and is not a profile"):
        accept(place / "validation", place / "pipe")
    summary = read_json(place / "validation" / "validation.json")
    write_json(place / "validation" / "validation.json", summary | {"checks": [{"name": "silent", "success": "no"}]})
    with pytest.raises(UserError, match=r"validation\.json is not as it was written"):
        accept(place / "validation", place / "new.csv")
