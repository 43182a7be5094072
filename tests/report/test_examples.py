"""The examples of a page: tokens along time, alignments, pictures of a match."""

import dataclasses
import re
from xml.etree import ElementTree

import numpy as np

from tests.report.pages import RATE, VERDICT, Strict, changed, players
from wav2tok.audio import decode
from wav2tok.evaluation.retrieval.metrics import Estimate
from wav2tok.matching.distances import edit_distances
from wav2tok.report.page import examples, match, page

SVG = "{http://www.w3.org/2000/svg}"


def test_tokens_along_time_fill_the_recordings_length(source, judged, framewise):
    strips = re.findall(r'<div class="blocks">(.*?)</div>', source)
    assert len(strips) == len(players(source))
    wanted = {len(framewise([decode.read(path, RATE)])[0]) for path in judged.retrieval.answers.paths}
    for strip in strips:
        assert sum(map(int, re.findall(r"--n:(\d+)", strip))) in wanted
    assert '<div class="blocks">' not in page.render(judged, VERDICT, RATE)


def alignment(query, answer):
    """The HTML of an alignment."""
    shown = examples.alignment(query, answer, "Right answer")
    return str(page.TEMPLATES.get_template("case.html").module.alignment(shown))


def test_the_alignment_shows_every_edit():
    query, answer = np.array([1, 2, 3, 4, 5, 6]), np.array([1, 9, 3, 5, 6, 7])
    shown = alignment(query, answer)
    Strict(shown)
    columns = re.findall(r'<span class="(\w*)">(.*?)<u>.</u>(.*?)</span>', shown)
    assert [kind for kind, _, _ in columns] == ["", "sub", "", "del", "", "", "ins"]
    for row, string in ((1, query), (2, answer)):
        numbers = [re.findall(r">(\d+)<", column[row]) for column in columns]
        assert [int(number) for found in numbers for number in found] == string.tolist()
    assert "4 the same (=), 1 substituted (≠), 1 only in the query (−), 1 only in the answer (+)" in shown
    assert f"= {edit_distances([query], [answer])[0, 0]:.3f}" in shown


def test_an_empty_string_matches_nothing_and_a_long_one_is_cut():
    assert "nothing to match" in alignment(np.zeros(0, int), np.array([1]))
    long = np.arange(1000)
    shown = alignment(long, long)
    assert "and 760 more" in shown
    assert shown.count("<span") == 240


def test_marks_show_where_a_baseline_differs(judged):
    ours = [one for one in judged.retrieval.significance if one.system == "wav2tok" and one.metric == "mrr"]
    lead = dataclasses.replace(ours[0], difference=Estimate(0.4, 0.3, 0.5), p_holm=0.001)
    lag = dataclasses.replace(ours[0], metric="map", difference=Estimate(-0.4, -0.5, -0.3), p_holm=0.001)
    luck = dataclasses.replace(lead, p_holm=0.2)
    source = page.render(changed(judged, significance=(lead, lag)), VERDICT, RATE)
    assert source.count('<span class="mark">▼</span>') == source.count('<span class="mark">▲</span>') == 1
    assert '<span class="mark">' not in page.render(changed(judged, significance=(luck,)), VERDICT, RATE)


def test_a_match_is_drawn_with_its_alignment(judged, framewise, tmp_path):
    path = tmp_path / "match.svg"
    assert match.write(judged.retrieval, path, RATE, framewise)
    source = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(source)
    same = len(re.findall(r'stroke="#1f5fa8"', source))
    assert f"{same} tokens the same" in "".join(root.itertext())
    assert all(one.get("href", "").startswith("data:image/png") for one in root.iter(f"{SVG}image"))
    match.write(judged.retrieval, tmp_path / "again.svg", RATE, framewise)
    assert (tmp_path / "again.svg").read_bytes() == path.read_bytes()


def test_without_a_right_answer_there_is_no_picture_of_a_match(judged, framewise, tmp_path):
    path = tmp_path / "match.svg"
    path.write_text("of an earlier evaluation")
    wrong = changed(judged, "answers", relevant=np.zeros_like(judged.retrieval.answers.relevant))
    assert not match.write(wrong.retrieval, path, RATE, framewise)
    assert not path.exists()
