"""Evaluations of small corpora, and how the tests read a page."""

import base64
import dataclasses
import io
import json
from functools import partial
from html.parser import HTMLParser

import numpy as np
import soundfile

from tests import helpers
from wav2tok.audio import decode
from wav2tok.config.parameters import from_dict
from wav2tok.corpus.recordings import Recordings
from wav2tok.evaluation.baselines.frames import log_mel
from wav2tok.evaluation.baselines.kmeans import kmeans, nearest
from wav2tok.evaluation.gate import Verdict
from wav2tok.evaluation.held_out import Judged
from wav2tok.evaluation.retrieval.evaluate import evaluate
from wav2tok.report.page import sound

RATE = 16000
tune = partial(helpers.tune, sample_rate=RATE, note_samples=RATE // 10, harmonics=8, noise=0.02)
HOSTILE = ('<b onclick="x()">up', "down & 'out'", "</td></table><script>alert(1)</script>")
VERDICT = Verdict(False, ['MRR is 0.1 < 0.3 & "too" low.'])
PADDING = 2 * 1152
"""MP3 pads a recording to whole frames, samples."""
VOID = {"meta", "link", "img", "br", "input"}


class Strict(HTMLParser):
    """Fails on unbalanced tags; collects elements, attributes and the visible text."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" in self.open:
            self.scripts.append(data)
        elif "style" not in self.open:
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def judge(train: Recordings, test: Recordings) -> tuple[Judged, np.ndarray]:
    settings = {"tempos": [0.8], "semitones": [2], "snr_db": [5], "bootstrap": 20, "baselines": ["untrained"]}
    bands = log_mel(RATE)
    centroids = kmeans(np.concatenate(bands([decode.read(path, RATE) for path in train.paths])), 8, seed=1)
    few = nearest(bands, centroids[:2])
    config = from_dict({"evaluate": settings})
    return Judged(evaluate(train, test, nearest(bands, centroids), centroids, few, config), None), centroids


def changed(judged: Judged, part: str | None = None, **values) -> Judged:
    """``judged`` with other values in the result of retrieval, or in one part of it."""
    result = judged.retrieval
    if part is not None:
        values = {part: dataclasses.replace(getattr(result, part), **values)}
    return dataclasses.replace(judged, retrieval=dataclasses.replace(result, **values))


def players(source):
    """The sound of each player on a page: (samples, rate)."""
    return [heard(attributes["src"]) for attributes in Strict(source).all("audio") if "src" in attributes]


def heard(address):
    """The sound at a data address: (samples, rate)."""
    assert address.startswith(f"data:{sound.MIME};base64,")
    return soundfile.read(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def listed(source):
    """The data of the page's script."""
    return json.loads(Strict(source).scripts[0])
