"""``wav2tok validate`` on real files: what it writes and what it reports."""

import shutil
from pathlib import Path

import pytest

from wav2tok.config.schema import Config
from wav2tok.corpus import manifest
from wav2tok.errors import UserError
from wav2tok.files import read_json
from wav2tok.stages.validate import validate


@pytest.fixture
def corpus(tiny_corpus: Path, tmp_path: Path) -> Path:
    """A copy of `tiny_corpus` that a test may spoil."""
    return Path(shutil.copytree(tiny_corpus, tmp_path / "corpus"))


def test_warnings_and_a_summary_are_reported(
    corpus: Path, tiny_config: Config, tmp_path: Path, lines: list[str]
) -> None:
    (corpus / "arch" / "bad_0.flac").write_text("no audio")
    out = tmp_path / "validation"
    validate(corpus, out, tiny_config)
    *warnings, last = lines
    assert [line.partition(":")[0] for line in warnings] == ["unreadable"]
    assert "1 of 29 files, arch/bad_0.flac" in warnings[0]
    assert last.startswith("28 recordings of 4 classes and 7 groups, 0.00 hours; manifest ")
    assert str(out / "manifest.csv") in last
    assert str(out / "docs" / "index.html") in last
    assert sorted(path.name for path in out.iterdir()) == ["docs", "manifest.csv", "validation.json"]
    assert len(manifest.read_csv(out / "manifest.csv")) == 29
    assert read_json(out / "validation.json")["success"] is True


def test_a_critical_failure_is_one_sentence_and_everything_is_written(
    corpus: Path, tiny_config: Config, tmp_path: Path, lines: list[str]
) -> None:
    shutil.copy(corpus / "arch" / "ada_0.flac", corpus / "fall" / "copy_0.flac")
    out = tmp_path / "validation"
    with pytest.raises(UserError, match=r"is not good data yet: duplicate_across_classes: .*; fix or delete them"):
        validate(corpus, out, tiny_config)
    assert [line.partition(":")[0] for line in lines] == ["duplicate", "shared_audio"]
    assert read_json(out / "validation.json")["success"] is False
    assert len(manifest.read_csv(out / "manifest.csv")) == 29
