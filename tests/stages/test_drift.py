"""``wav2tok drift``: from an exported model and recordings to figures and a page."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from tests.conftest import RATE
from wav2tok.audio.find import find
from wav2tok.errors import UserError
from wav2tok.stages.drift import drift
from wav2tok.stages.export import export


@pytest.fixture(scope="module")
def exported(tiny_model, tiny_split, tmp_path_factory):
    """An exported model with its profile."""
    folder = tmp_path_factory.mktemp("drift")
    export(tiny_model, None, folder / "export", data=tiny_split)
    return folder / "export"


def test_the_corpus_itself_is_no_drift_and_noise_is(exported, tiny_corpus, tiny_config, tmp_path, rng, lines):
    known = [str(path) for path in find(tiny_corpus)]
    assert drift(known, str(exported), tmp_path / "same", tiny_config, "cpu").drifted == ()
    noise = [str(tmp_path / f"voice_{i}.flac") for i in range(12)]
    for path in noise:
        soundfile.write(path, 0.5 * rng.uniform(-1, 1, RATE // 2).astype(np.float32), RATE)
    result = drift(noise, str(exported), tmp_path / "noise", tiny_config, "cpu")
    assert {"tokens", "level_dbfs"} <= set(result.drifted)
    found = json.loads((tmp_path / "noise" / "drift.json").read_text())
    assert found["drifted"] == list(result.drifted)
    assert found["recordings"] == {"profile": 28, "new": 12}
    page = (tmp_path / "noise" / "drift.html").read_text()
    assert "<svg" in page
    assert "Drift: the 12 new recordings are unlike" in page
    assert "| **drift** |" in (tmp_path / "noise" / "drift.md").read_text()
    assert lines[-1].startswith("Drift: the 12 new recordings")
    assert "Distance to the nearest codeword" in page
    assert "was not compared" not in page


def test_a_profile_of_an_earlier_release_is_compared_without_distances(
    exported, tiny_corpus, tiny_config, tmp_path, lines
):
    shutil.copytree(exported, tmp_path / "old")
    path = tmp_path / "old" / "profile.json"
    values = json.loads(path.read_text())
    assert all(sum(one.pop("distances")) > 0 for one in values["recordings"])
    path.write_text(json.dumps(values))
    known = [str(path) for path in find(tiny_corpus)]
    result = drift(known, str(tmp_path / "old"), tmp_path / "out", tiny_config, "cpu")
    assert "codeword_distance" not in {figure.name for figure in result.figures}
    for text in ((tmp_path / "out" / "drift.html").read_text(), (tmp_path / "out" / "drift.md").read_text()):
        assert "distance to the nearest codeword was not compared" in text
    assert any("was not compared" in line for line in lines)


def test_a_recording_that_cannot_be_read_is_left_out(exported, tiny_corpus, tiny_config, tmp_path, caplog):
    (tmp_path / "broken.flac").write_bytes(b"not audio")
    known = [str(path) for path in find(tiny_corpus)]
    result = drift([*known, str(tmp_path / "broken.flac")], str(exported), tmp_path / "out", tiny_config, "cpu")
    assert result.recordings == (28, 28)
    assert "broken.flac" in caplog.text


def test_a_model_without_a_profile_or_with_another_ones(exported, tiny_model, tiny_config, tmp_path):
    with pytest.raises(UserError, match="has no profile"):
        drift([], str(tiny_model), tmp_path / "out", tiny_config, "cpu")
    shutil.copytree(exported, tmp_path / "mixed")
    path = tmp_path / "mixed" / "profile.json"
    path.write_text(path.read_text().replace(json.loads(path.read_text())["identity"], "0" * 16))
    with pytest.raises(UserError, match="describes another graph"):
        drift([], str(tmp_path / "mixed"), tmp_path / "out", tiny_config, "cpu")
    assert not (tmp_path / "out").exists()
