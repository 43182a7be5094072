"""``wav2tok changes``: what a retraining changed, on a page that is looked at in a browser."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

from tests import browser
from tests.conftest import RATE
from wav2tok.errors import UserError
from wav2tok.stages.changes import Sources, changes

REASON = "silent: are silent, under -60 dBFS (<-200 dBFS>)"


@pytest.fixture(scope="module")
def config(tiny_config):
    return dataclasses.replace(tiny_config, evaluate=dataclasses.replace(tiny_config.evaluate, tempos=(), semitones=()))


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A version that lost, a delivery of which three were put aside, one of them audible, and drift."""
    folder = tmp_path_factory.mktemp("sources")
    clause = {"name": "gain", "met": False, "sentence": "a gain of -0.100; it must be at least 0.", "figures": {}}
    outcome = {"registered": True, "name": "tune", "version": "2", "alias": "challenger", "why": "no gain"}
    (folder / "registered.json").write_text(json.dumps(outcome | {"comparisons": [{"clauses": [clause]}]}))
    tone = 0.1 * np.sin(np.arange(RATE) / 5)
    soundfile.write(folder / "kept.flac", tone, RATE)
    (folder / "broken.flac").write_bytes(b"not audio")
    places = {"arch/a_0.flac": str(folder / "kept.flac"), "arch/b_0.flac": str(folder / "broken.flac")}
    delivery = {"taken": ["arch/c_0.flac"], "quarantined": {path: [REASON] for path in places}, "places": places}
    delivery["moved"] = ["moved_level: the median level is -3 dBFS in 12 recordings added, and was -30 dBFS"]
    (folder / "ingest.json").write_text(json.dumps(delivery))
    (folder / "drift.json").write_text(json.dumps({"sentence": "Drift: they are louder.", "drifted": ["level_dbfs"]}))
    (folder / "drift.svg").write_text('<svg viewBox="0 0 9 9"><text id="drawn">level</text></svg>')
    doubt = {"path": "arch/c_0.flac", "label": "arch", "share": 0.0, "suggested": "fall", "suggested_share": 0.9}
    (folder / "labels.json").write_text(json.dumps({"doubts": [doubt]}))
    rows = [{"time": "monday", "before": "a.flac", "after": "b.flac", "rank": 3},
            {"time": "today", "before": "a.flac", "after": None, "rank": None}]  # fmt: skip
    (folder / "replayed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Sources(
        folder / "registered.json", folder / "ingest.json", folder, folder / "labels.json", folder / "replayed.jsonl"
    )


@pytest.fixture(scope="module")
def page(tiny_split, tiny_model, config, sources, tmp_path_factory):
    out = tmp_path_factory.mktemp("changes") / "changes"
    return changes(tiny_split, str(tiny_model), "wav2tok:humming", sources, out, config, track=False)


def test_figures_changed_searches_and_the_story_are_on_the_page(page):
    text = page.read_text()
    figures = json.loads(page.with_name("changes.json").read_text())["compared"]
    assert (figures["before"], figures["queries"]) == ("wav2tok:humming", 8)
    assert 0 < figures["changed"] <= 8
    assert text.count("First answer before") == text.count("First answer now") == min(figures["changed"], 10)
    for one in figures["differences"]:
        assert one["gain"]["value"] == pytest.approx(one["after"] - one["before"])
        assert f'<td class="number">{one["before"]:.3f}</td>' in text
    assert "tune version 2 is the challenger: no gain." in text
    assert "not met: a gain of -0.100" in text
    assert text.count("(&lt;-200 dBFS&gt;)") == 2
    assert text.count("<audio") == 3 * min(figures["changed"], 10) + 1  # what cannot be read cannot be heard
    assert "arch/c_0.flac: its label arch has 0% of the votes" in text
    assert "<li>moved_level: the median level is -3 dBFS in 12 recordings added" in text
    assert "<li>monday: b.flac in place of a.flac, which is at rank 3 now</li>" in text
    assert "<li>today: nothing in place of a.flac, which is not among the first ten now</li>" in text
    assert "Drift: they are louder." in text
    assert 'id="drawn"' in text


@pytest.mark.skipif(browser.program() is None, reason="no Chromium")
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_its_window_plays_and_asks_for_nothing(page, width):
    with browser.page() as shown:
        shown.open(page, width)
        assert shown.value("document.documentElement.scrollWidth") <= width
        assert shown.problems() == []
        assert all(url.startswith(("file:", "data:")) for url in shown.asked())
        play = "(async () => { const a = document.querySelector('audio'); await a.play(); return a.duration })()"
        assert 0.3 < shown.value(play) < 1


def test_the_same_model_has_no_changes(tiny_split, tiny_model, config, tmp_path):
    sources = Sources(tmp_path / "registered.json")
    page = changes(tiny_split, str(tiny_model), str(tiny_model), sources, tmp_path / "out", config, track=False)
    assert "nothing that it is made of has changed" in page.read_text()
    assert json.loads(page.with_name("changes.json").read_text())["compared"] is None


def test_what_a_model_has_heard_does_not_ask(tiny_split, tiny_model, config, tmp_path):
    from wav2tok.corpus import audios_bin, heard

    test = audios_bin.read(tiny_split).test
    for path in tiny_model.glob("*.onnx"):
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model" / path.name).write_bytes(path.read_bytes())
    heard.write(tmp_path / "model", test)
    sources = Sources(tmp_path / "registered.json")
    asked = (tiny_split, str(tmp_path / "model"), "wav2tok:humming", sources, tmp_path / "out", config)
    assert "The 0 test recordings that neither model heard cannot be asked with" in changes(*asked).read_text()


def test_a_delivery_that_does_not_exist_is_refused_before_anything_is_written(tiny_split, tiny_model, config, tmp_path):
    sources = Sources(tmp_path / "registered.json", tmp_path / "ingest.json")
    with pytest.raises(UserError, match=r"ingest\.json does not exist"):
        changes(tiny_split, str(tiny_model), "wav2tok:humming", sources, tmp_path / "out", config)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("registered", {"registered": "no"}),
        ("registered", {"registered": True, "comparisons": [3]}),
        ("labels", {"doubts": [{"path": "a", "share": "most"}]}),
        ("delivery", {"taken": "all"}),
    ],
)
def test_files_of_other_kinds_are_refused(tiny_split, tiny_model, config, sources, tmp_path, name, values):
    (tmp_path / "odd.json").write_text(json.dumps(values))
    wrong = dataclasses.replace(sources, **{name: tmp_path / "odd.json"})
    with pytest.raises(UserError, match=r"odd\.json is not as it was written"):
        changes(tiny_split, str(tiny_model), None, wrong, tmp_path / "out", config, track=False)
    assert not (tmp_path / "out").exists()


def test_what_replay_did_not_print_is_refused(tiny_split, tiny_model, config, sources, tmp_path):
    (tmp_path / "rows").write_text("[1]\n")
    wrong = dataclasses.replace(sources, replayed=tmp_path / "rows")
    with pytest.raises(UserError, match="rows line 1 is not what wav2tok replay printed"):
        changes(tiny_split, str(tiny_model), None, wrong, tmp_path / "out", config, track=False)
    assert not (tmp_path / "out").exists()
