"""``wav2tok labels``: a corpus with moved labels, compared by a real model."""

import dataclasses
import json
import shutil

import pytest

from wav2tok.errors import UserError
from wav2tok.sample.corpus import make
from wav2tok.stages.labels import labels

MODEL = "wav2tok:humming"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Three melodies by eight singers; one take of one of them lies in the folder of another."""
    root = tmp_path_factory.mktemp("labels") / "data"
    make(root, melodies=3, singers=8)
    first, second, _ = sorted(root.iterdir())
    moved = next(first.glob("singer03_*"))
    shutil.move(moved, second / "zoe_01.flac")
    return root


@pytest.fixture(scope="module")
def moved(corpus):
    first, second, _ = (folder.name for folder in sorted(corpus.iterdir()))
    return {"path": f"{second}/zoe_01.flac", "label": second, "suggested": first}


def test_the_moved_recording_is_named_with_the_class_that_it_came_from(corpus, moved, tiny_config, tmp_path, caplog):
    found = labels(corpus, MODEL, tmp_path / "labels.json", tiny_config, "cpu")
    assert [{key: one[key] for key in moved} for one in found] == [moved]
    written = json.loads((tmp_path / "labels.json").read_text())
    assert (written["model"], written["recordings"], written["doubts"]) == (MODEL, 24, found)
    assert f"{moved['path']}: its label {moved['label']} has " in caplog.text
    assert (corpus / moved["path"]).is_file()  # nothing is moved


def test_of_a_delivery_only_what_was_taken_in_is_asked_about(corpus, moved, tiny_config, tmp_path):
    delivery, out = tmp_path / "ingest.json", tmp_path / "labels.json"
    good = next((corpus / moved["label"]).glob("singer01_*")).relative_to(corpus).as_posix()
    for taken, doubted in (([good], []), ([good, moved["path"]], [moved["path"]])):
        delivery.write_text(json.dumps({"taken": taken}))
        found = labels(corpus, MODEL, out, tiny_config, "cpu", delivery=delivery)
        assert [one["path"] for one in found] == doubted
        assert json.loads(out.read_text())["recordings"] == len(taken)
    delivery.write_text(json.dumps({"taken": ["gone/x_0.flac"]}))
    with pytest.raises(UserError, match=r"gone/x_0\.flac is not there, but .*ingest\.json says"):
        labels(corpus, MODEL, out, tiny_config, "cpu", delivery=delivery)


def test_a_list_has_no_labels(corpus, tiny_config, tmp_path):
    config = dataclasses.replace(tiny_config, split=dataclasses.replace(tiny_config.split, kind="list"))
    with pytest.raises(UserError, match="has no classes"):
        labels(corpus, MODEL, tmp_path / "labels.json", config, "cpu")
    assert not (tmp_path / "labels.json").exists()
