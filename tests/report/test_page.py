"""The page is complete, offline, well formed and reproducible, whatever the names of recordings are."""

import base64
import dataclasses
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from tests.report.pages import HOSTILE, PADDING, RATE, VERDICT, Strict, changed, judge, players
from wav2tok.audio import decode
from wav2tok.corpus.recordings import Recordings
from wav2tok.evaluation.gate import Verdict
from wav2tok.evaluation.retrieval.metrics import Estimate
from wav2tok.evaluation.retrieval.result import Judgement
from wav2tok.evaluation.spotting.metrics import Figures, Spotting
from wav2tok.report.page import page


def test_nothing_is_fetched_and_one_script_runs(source):
    parsed = Strict(source)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"base64,[^\"]*|>\{.*?</script>", "", source))
    for tag, attributes in parsed.elements:
        assert tag not in {"iframe", "object"}
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            assert name not in attributes or attributes[name].startswith(("data:", "#"))
    policy = next(meta["content"] for meta in parsed.all("meta") if "http-equiv" in meta)
    assert "default-src 'none'" in policy
    data, script = parsed.scripts
    assert [attributes.get("type") for attributes in parsed.all("script")] == ["application/json", None]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.partition("script-src ")[2] == f"'sha256-{digest}'"
    assert not set("<>&") & set(data)
    assert not re.search(r"innerHTML|eval|fetch|XMLHttpRequest|import\(", script)


def test_names_are_text_and_never_markup(source):
    parsed = Strict(source)
    for name in HOSTILE:
        assert name in parsed.text
    assert "_<i>&'\"" in parsed.text
    assert VERDICT.reasons[0] in parsed.text


def test_links_within_the_page_lead_somewhere(source):
    parsed = Strict(source)
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert [attributes["href"] for attributes in parsed.all("a")] == [f"#{one}" for one in ids[:-1]]
    assert ids == ["queries", "robustness", "confusions", "examples", "retrieval", "tokens", "cost", "answers"]


def test_what_is_judged_beside_the_task_has_a_table(judged):
    """Each variant is explained, and each system has its figures."""
    result = judged.retrieval
    halved = {
        name: {
            kind: {m: Estimate(one.value / 2, 0.0, 1.0) for m, one in found.items()} for kind, found in views.items()
        }
        for name, views in result.scores.items()
    }
    variants = {"never_heard": Judgement(7, 8.0, halved), "distractors": Judgement(9, 1008.0, halved, 1000)}
    beside = dataclasses.replace(judged, retrieval=dataclasses.replace(result, variants=variants))
    text = Strict(page.render(beside, VERDICT, RATE)).text
    assert "classes that no training recording has, searched among the recordings of all classes; 7 queries" in text
    assert text.count("with 1,000 distractors") == len(result.scores) * len(result.setting.kinds)
    assert f"{result.scores['wav2tok']['V']['mrr'].value / 2:.3f}" in text


def test_the_figures_are_those_of_the_result(source, judged):
    text = Strict(source).text
    for name, views in judged.retrieval.scores.items():
        assert judged.retrieval.setting.labels[name] in text
        for kind in judged.retrieval.setting.kinds:
            assert all(f"{one.value:.3f}" in text for one in views[kind].values())
    assert "Not approved" in text
    assert "9test recordings of 3 classes" in text
    assert source.count("<polyline") == 2 * len({*judged.retrieval.curves} - {"ROOM"}) * len(judged.retrieval.scores)
    assert "5 dB, room" in source
    assert "Approved by the gate" in Strict(page.render(judged, Verdict(True, []), RATE)).text


def test_the_same_result_gives_the_same_bytes(judged, framewise, tmp_path):
    for name in ("one.html", "two.html"):
        page.write(judged, VERDICT, tmp_path / name, RATE, framewise)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.html", "two.html"]


def test_list_data_has_no_classes_and_queries_with_changed_recordings(corpus):
    result, _ = judge(corpus, Recordings(corpus.paths[::2]))
    parsed = Strict(page.render(result, VERDICT, RATE))
    assert "queries at tempo 0.8" in parsed.text
    assert "confusions" not in [attributes.get("id") for _, attributes in parsed.elements]
    (asked, _), (answered, _) = players(page.render(result, VERDICT, RATE))[:2]
    assert len(asked) == pytest.approx(len(answered) / 0.8, abs=PADDING)


def test_queries_with_an_empty_string_are_reported(judged):
    answers = judged.retrieval.answers
    order, asking = answers.order.copy(), list(answers.asking)
    order[4], asking[4] = -1, np.zeros(0, int)
    parsed = Strict(page.render(changed(judged, "answers", order=order, asking=asking), VERDICT, RATE))
    assert "1 queries have an empty string" in parsed.text
    assert "no answer" in parsed.text


def test_spotting_is_on_the_page_if_it_was_measured(judged):
    names = ("f1", "precision", "recall", "mtwv", "mrr", "map", "p_at_1", "r_at_10")
    scores = {name: Estimate(0.1 + i / 20, 0.1, 0.9) for i, name in enumerate(names)}
    figures = Figures(
        "wav2tok, edit <distance>", scores, threshold=-2.5, training_f1=0.512, localized=0.7, search_ms=1.5
    )
    spotting = Spotting("words & all", 40, 600.0, 70, 12, 30, 100, {"wav2tok": figures})
    parsed = Strict(page.render(dataclasses.replace(judged, spotting=spotting), VERDICT, RATE))
    assert "spotting-words" in [attributes.get("id") for _, attributes in parsed.elements]
    for part in ("words & all", "wav2tok, edit <distance>", "0.512", "-2.50", f"{scores['mtwv'].value:.3f}"):
        assert part in parsed.text


def test_systems_that_were_not_evaluated_are_named(judged):
    source = page.render(changed(judged, "setting", absent=("HuBERT", "<i>x & y")), VERDICT, RATE)
    assert "Not on this disk, so not evaluated: HuBERT, <i>x & y." in Strict(source).text
    assert "Not on this disk" not in page.render(changed(judged, "setting", absent=()), VERDICT, RATE)


def test_a_name_that_is_not_utf8_can_be_written(judged, tmp_path):
    odd = changed(judged, "answers", classes=tuple(f"{name}\udce9" for name in judged.retrieval.answers.classes or ()))
    page.write(odd, VERDICT, tmp_path / "report.html", RATE)
    Strict((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_an_unreadable_recording_leaves_no_page(judged, tmp_path):
    gone = changed(judged, "answers", paths=tuple(f"{path}.gone" for path in judged.retrieval.answers.paths))
    with pytest.raises(decode.UnreadableError, match="gone"):
        page.write(gone, VERDICT, tmp_path / "report.html", RATE)
    assert list(Path(tmp_path).iterdir()) == []


def test_the_result_comes_first_and_the_terms_before_any_table(source, judged):
    text = Strict(source).text
    scores = judged.retrieval.scores
    ours, theirs = (scores[name]["V"] for name in ("wav2tok", "untrained"))
    result = re.sub(r"\s+", " ", text)
    assert f"our tokens reach MRR {ours['mrr'].value:.3f} and MAP {ours['map'].value:.3f} on V" in result
    assert f"untrained encoder, edit distance, reaches MRR {theirs['mrr'].value:.3f} and MAP" in result
    assert "The gate did not approve the model." in result
    table = source.index("<table")
    for term in ("V", "TS", "PS", "MRR", "MAP"):
        assert source.index(f"<dt>{term}</dt>") < table
    assert source.index('class="ranking"') < table
    gate = source.index('<details class="verdict bad"><summary>')
    assert gate < source.index("MRR is 0.1 &lt; 0.3") < source.index("</details>", gate)


def test_the_page_says_where_its_figures_come_from(judged):
    origin = page.Origin("2026-11-28", "0123abcdef", None, "wav2tok, epoch 3", None, "7")
    source = page.render(judged, VERDICT, RATE, origin=origin)
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", source[: source.index("<details")])
    assert found == [("date", "2026-11-28"), ("commit", "0123abcdef"), ("model", "wav2tok, epoch 3"), ("seed", "7")]
    assert 'class="origin"' not in page.render(judged, VERDICT, RATE)
