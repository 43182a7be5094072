"""The files of a report on a known result."""

import csv
import dataclasses
import json
import math
import re

import numpy as np
import pytest
from matplotlib import image

from wav2tok.config.schema import Gate
from wav2tok.evaluation import gate
from wav2tok.evaluation.held_out import Judged, held_out_score
from wav2tok.evaluation.retrieval.bench import Cost
from wav2tok.evaluation.retrieval.curves import Curve
from wav2tok.evaluation.retrieval.metrics import METRICS, Estimate
from wav2tok.evaluation.retrieval.protocol import View
from wav2tok.evaluation.retrieval.result import Answers, Judgement, Result, Setting
from wav2tok.evaluation.retrieval.significance import Comparison
from wav2tok.evaluation.retrieval.token_use import TokenUse
from wav2tok.evaluation.systems import FORMS
from wav2tok.report import files, tables
from wav2tok.report.logged import headline, write_curves

LABELS = {
    "wav2tok": "wav2tok, edit distance",
    "wav2tok_weighted": "wav2tok, weighted",
    "wav2tok_centroid_dtw": "wav2tok, centroid DTW",
    "wav2tok_local": "wav2tok, local",
    "wav2tok_decoded": "wav2tok, decoded",
    "mfcc_dtw": "MFCC, DTW",
}
MRR = dict(zip(LABELS, (0.5, 0.7, 0.6, 0.55, 0.65, 0.8), strict=True))


def curve(kind, *factors):
    scores = {
        name: np.linspace(0.1, value, len(factors))[:, None] * np.ones(len(METRICS)) for name, value in MRR.items()
    }
    return Curve(kind, factors, 30, scores)


@pytest.fixture
def judged():
    """Words, forty queries, and one baseline that beats every form."""
    scores = {
        name: {"V": {m: Estimate(value - 0.1 * i, value - 0.15 * i, value) for i, m in enumerate(METRICS)}}
        for name, value in MRR.items()
    }
    compared = tuple(
        Comparison(
            form, "mfcc_dtw", "V", metric, Estimate(MRR[form] - 0.8, -0.4, -0.05), 1e-5, 1e-4 + (metric == "map")
        )
        for form in FORMS
        for metric in ("mrr", "map")
    )
    result = Result(
        setting=Setting(
            protocol="words",
            text="each against the others",
            recordings=44,
            queries=40,
            left_out=4,
            database=33.0,
            bootstrap=100,
            num_tokens=8,
            labels=LABELS,
            views=(View("V"),),
        ),
        scores=scores,
        curves={
            "SNR": curve("SNR", 0.0, 10.0, math.inf),
            "TS": curve("TS", 0.7, 1.0, 1.4),
            "PS": curve("PS", -2.0, 0.0, 2.0),
        },
        significance=compared,
        tokens=TokenUse({"codebook_use": 0.75, "perplexity": 5.0}, np.array([5, 4, 3, 2, 1, 1, 0, 0])),
        cost={name: Cost(100.0, 0.5) for name in LABELS},
        answers=Answers(
            paths=(),
            classes=None,
            strings=[],
            query_index=np.zeros(0, np.int64),
            relevant=np.zeros((0, 0), bool),
            asking=[],
            order=np.zeros((0, 0), np.int32),
            distances=np.zeros((0, 0), np.float32),
        ),
    )
    return Judged(result, None)


@pytest.fixture
def written(judged, tmp_path):
    verdict = gate.judge(judged.retrieval, Gate(min_mrr=0.9, beat=()))
    files.write(judged, verdict, tmp_path / "out")
    return tmp_path / "out", verdict


def test_all_files_are_written(judged, written):
    out, verdict = written
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == [
        "curves.json",
        "gate.json",
        "metrics.json",
        "plots/retrieval.png",
        "plots/robustness.png",
        "plots/tokens.png",
        "report.md",
        "retrieval.csv",
        "significance.json",
        "table.txt",
    ]
    assert (out / "table.txt").read_text().splitlines() == tables.overview(judged.retrieval).text().splitlines()
    assert json.loads((out / "gate.json").read_text()) == verdict.to_json()
    with (out / "retrieval.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(LABELS) * len(METRICS)
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in rows)
    text = (out / "report.md").read_text()
    assert all(part in text for part in ("Not approved", verdict.reasons[0], "](plots/robustness.png)", "V 40"))
    for plot in (out / "plots").iterdir():
        pixels = image.imread(plot)
        assert pixels.shape[1] <= 1240  # DVC's page of plots cuts what is wider than a window
        for edge in (pixels[:4], pixels[-4:], pixels[:, :4], pixels[:, -4:]):
            assert edge.min() == 1.0, f"something touches the edge of {plot.name}"
    lines = tables.overview(judged.retrieval).text().splitlines()
    assert len(lines) == 2 + len(LABELS)
    assert len({len(line) for line in lines}) == 1


def test_metrics_are_shallow_and_curves_and_comparisons_are_separate_files(written):
    out, _ = written
    numbers = json.loads((out / "metrics.json").read_text())
    assert set(numbers) == {"V", "tokens", "cost", "gate", "counts"}
    assert numbers["V"]["mfcc_dtw"]["map"] == pytest.approx(0.7)
    curves = json.loads((out / "curves.json").read_text())
    assert {axis: list(found["factors"]) for axis, found in curves.items()} == {
        "snr_db": ["0", "10", "clean"],
        "tempo": ["0.7", "1", "1.4"],
        "semitones": ["-2", "0", "2"],
    }
    assert curves["snr_db"]["queries"] == 30
    assert curves["snr_db"]["factors"]["clean"]["wav2tok_weighted"] == {"mrr": 0.7, "map": 0.7}
    rows = json.loads((out / "significance.json").read_text())
    assert len(rows) == 10
    assert rows[0] == {
        "system": "wav2tok", "baseline": "mfcc_dtw", "view": "V", "metric": "mrr",
        "difference": -0.3, "low": -0.4, "high": -0.05, "p": 1e-5, "p_holm": 1e-4,
    }  # fmt: skip


def test_the_forms_come_first_with_the_best_of_each_column_bold(written):
    text = (written[0] / "report.md").read_text()
    top = text[text.index("## The tokenizer") : text.index("## Protocol")]
    assert re.findall(r"^\| (wav2tok.*?) \| (.*?) \| (.*?) \|$", top, re.MULTILINE) == [
        ("wav2tok, edit distance", "0.500", "0.400"),
        ("wav2tok, weighted", "**0.700**", "**0.600**"),
        ("wav2tok, centroid DTW", "0.600", "0.500"),
        ("wav2tok, local", "0.550", "0.450"),
        ("wav2tok, decoded", "0.650", "0.550"),
    ]


def test_comparisons_show_difference_interval_and_corrected_p(written):
    text = (written[0] / "report.md").read_text()
    section = text[text.index("## Against the baselines") : text.index("## Robustness")]
    assert "all 10 comparisons" in section
    assert (
        "| MFCC, DTW | weighted | -0.100 [-0.400, -0.050] | **< 0.001** | -0.100 [-0.400, -0.050] | 1.000 |" in section
    )


def test_without_curves_and_baselines_their_sections_are_absent(judged, tmp_path):
    def ours(found):
        return {name: found[name] for name in FORMS}

    result = judged.retrieval
    bare = Judged(
        dataclasses.replace(
            result,
            setting=dataclasses.replace(result.setting, labels=ours(result.setting.labels)),
            scores=ours(result.scores),
            cost=ours(result.cost),
            curves={},
            significance=(),
        ),
        None,
    )
    files.write(bare, gate.judge(bare.retrieval, Gate(beat=())), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert not any(heading in text for heading in ("## Against", "## Robustness", "robustness.png"))
    assert not (tmp_path / "plots" / "robustness.png").exists()
    assert json.loads((tmp_path / "curves.json").read_text()) == {}
    assert json.loads((tmp_path / "significance.json").read_text()) == []


def test_the_headline_is_that_of_plain_edit_distance(judged):
    approved = gate.Verdict(True, ["all was met."])
    figures = headline(judged, approved)
    assert list(figures) == ["mrr", "map", "score", "codebook_use", "approved"]
    assert (figures["mrr"], figures["map"], figures["approved"]) == (0.5, 0.4, True)
    assert figures["score"] == round(held_out_score(judged.retrieval), 6)


def test_the_loss_in_a_noisy_room_is_a_headline_and_in_the_table(judged, tmp_path):
    room = Curve("ROOM", (5.0, math.inf), 30, {name: np.full((2, 4), [[0.3], [0.4]]) for name in LABELS})
    result = dataclasses.replace(judged.retrieval, curves={**judged.retrieval.curves, "ROOM": room})
    found = dataclasses.replace(judged, retrieval=result)
    figures = headline(found, gate.Verdict(True, []))
    assert (figures["map_5db_room"], figures["map_lost_5db_room"]) == (0.3, 0.4)
    files.write(found, gate.Verdict(True, ["all was met."]), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "| MAP | clean | 10 dB | 0 dB | room | 5 dB, room | lost |" in text
    assert "| wav2tok, edit distance | 0.500 | 0.300 | 0.100 | 0.400 | 0.300 | 40 % |" in text
    assert "| MRR | clean | 10 dB | 0 dB | room | 5 dB, room |" in text
    axes = json.loads((tmp_path / "curves.json").read_text())
    assert axes["room_snr_db"]["factors"]["5"]["mfcc_dtw"]["map"] == 0.3
    assert image.imread(tmp_path / "plots" / "robustness.png").shape[1] <= 1240


@pytest.fixture
def with_unheard(judged):
    """The same with ten queries of never-heard classes, which every system finds half as well."""
    halved = {
        name: {"V": {m: Estimate(one.value / 2, one.low / 2, one.high / 2) for m, one in views["V"].items()}}
        for name, views in judged.retrieval.scores.items()
    }
    variants = {
        "heard": Judgement(30, 33.0, judged.retrieval.scores),
        "never_heard": Judgement(10, 33.0, halved),
    }
    return dataclasses.replace(judged, retrieval=dataclasses.replace(judged.retrieval, variants=variants))


def test_heard_and_never_heard_classes_are_in_every_file(with_unheard, tmp_path):
    files.write(with_unheard, gate.Verdict(True, ["all was met."]), tmp_path)
    numbers = json.loads((tmp_path / "metrics.json").read_text())
    assert numbers["V_never_heard"]["mfcc_dtw"]["mrr"] == pytest.approx(0.4)
    assert numbers["counts"]["queries_heard"] == 30
    assert numbers["counts"]["queries_never_heard"] == 10
    with (tmp_path / "retrieval.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["view"] == "V_never_heard" and row["system"] == "wav2tok"]
    first = rows[0]
    assert (first["metric"], first["value"], first["queries"]) == ("mrr", "0.250000", "10")
    text = (tmp_path / "report.md").read_text()
    section = text[text.index("## Beside all queries") : text.index("## Against the baselines")]
    assert "| MFCC, DTW | all queries | 40 | 0.800 [0.800, 0.800] |" in section
    assert "| MFCC, DTW | never heard | 10 | 0.400 [0.400, 0.400] |" in section
    assert "searched among the recordings of all classes; 10 queries, 33 recordings each" in section
    figures = headline(with_unheard, gate.Verdict(True, []))
    assert (figures["mrr"], figures["mrr_heard"], figures["mrr_never_heard"]) == (0.5, 0.5, 0.25)


def test_the_headline_names_the_further_views_and_omits_what_is_unknown(judged):
    scores = {
        name: {"V": views["V"], "TS": {m: Estimate(float("nan"), 0.0, 0.0) for m in METRICS}, "PS": views["V"]}
        for name, views in judged.retrieval.scores.items()
    }
    result = dataclasses.replace(judged.retrieval, scores=scores)
    figures = headline(dataclasses.replace(judged, retrieval=result), gate.Verdict(False, ["a reason."]))
    assert list(figures) == ["mrr", "map", "mrr_ps", "map_ps", "codebook_use", "approved"]


def test_the_curves_are_a_table(judged, tmp_path):
    write_curves(judged.retrieval, tmp_path / "robustness.csv")
    with (tmp_path / "robustness.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["axis", "factor", "system", "mrr", "map"]
    ours = [(row["axis"], row["factor"]) for row in rows if row["system"] == "wav2tok"]
    assert {axis for axis, _ in ours} == {"snr_db", "tempo", "semitones"}
    assert ("snr_db", "clean") in ours
    (last,) = [row for row in rows if (row["axis"], row["factor"], row["system"]) == ("tempo", "1.4", "wav2tok")]
    assert float(last["mrr"]) == 0.5


def test_our_tokens_are_blue_and_the_baselines_grey(written):
    for name in ("retrieval.png", "robustness.png"):
        pixels = image.imread(written[0] / "plots" / name)[..., :3]
        coloured = pixels[pixels.max(axis=2) - pixels.min(axis=2) > 0.2]
        assert len(coloured) > 1000
        assert (coloured[:, 2] >= coloured[:, :2].max(axis=1)).all()


def test_the_text_explains_views_and_metrics_before_its_first_table(written):
    text = (written[0] / "report.md").read_text()
    assert text.index("V, the query as it was recorded.") < text.index("MRR is 1 divided by the rank") < text.index("|")
