"""Files for OpenSearch: they are what its bulk interface takes, and what it answers is read."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from tests.search.collections import K, index, random_strings
from wav2tok.errors import UserError
from wav2tok.search.elsewhere import opensearch
from wav2tok.search.elsewhere.documents import Document, documents, ranked, terms


def bulk(folder: Path) -> list[tuple[dict, dict]]:
    """The actions and documents of all bulk files, in order."""
    pairs = []
    for path in sorted(folder.glob("bulk-*.ndjson")):
        content = path.read_text(encoding="utf-8")
        assert content.endswith("\n")
        rows = [json.loads(line) for line in content.splitlines()]
        pairs += zip(rows[::2], rows[1::2], strict=True)
    return pairs


def test_bulk_files_hold_every_recording_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opensearch, "_AT_ONCE", 7)
    made = index(random_strings(np.random.default_rng(0), 20))
    assert opensearch.export(made, tmp_path / "out") == 20
    assert len(list((tmp_path / "out").glob("bulk-*.ndjson"))) == 3
    pairs = bulk(tmp_path / "out")
    assert [Document(**one) for _, one in pairs] == list(documents(made))
    assert all(list(action) == ["index"] and list(action["index"]) == ["_id"] for action, _ in pairs)
    assert len({action["index"]["_id"] for action, _ in pairs}) == 20


def test_a_recording_keeps_its_id(tmp_path: Path) -> None:
    opensearch.export(index([[1, 2, 3], [4, 5, 6]]), tmp_path / "out")
    before = [action for action, _ in bulk(tmp_path / "out")]
    opensearch.export(index([[4, 5, 6, 7], [1, 2]]), tmp_path / "out")
    assert [action for action, _ in bulk(tmp_path / "out")] == before


def test_the_mapping_has_a_field_for_each_of_a_document(tmp_path: Path) -> None:
    made = index([[1, 2, 3]])
    opensearch.export(made, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "mapping.json").read_text(encoding="utf-8"))
    fields = written["mappings"]["properties"]
    assert set(fields) == set(asdict(next(documents(made))))
    assert fields["terms"]["similarity"] in written["settings"]["index"]["similarity"]
    assert fields["terms"]["analyzer"] in written["settings"]["analysis"]["analyzer"]
    assert written["mappings"]["_meta"] == {"model": "models:/wav2tok/one", "identity": "one", "num_tokens": K}


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match=r"also holds mine\.txt"):
        opensearch.export(index([[1, 2, 3]]), tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["mine.txt"]


def test_what_a_query_finds_is_ranked_as_by_the_index() -> None:
    made = index(random_strings(np.random.default_rng(1), 40))
    asked = made.entries[5].tokens[2:]
    body = opensearch.query(asked, K, 30)
    words = body["query"]["match"]["terms"]["query"].split()
    assert (words, body["size"]) == (terms(asked, K), 30)
    # What OpenSearch would answer: the documents that share a word.
    shared = [one for one in documents(made) if set(words) & set(one.terms.split())]
    answer = {"hits": {"hits": [{"_source": {name: asdict(one)[name] for name in body["_source"]}} for one in shared]}}
    (best, distance), *_ = ranked(asked, opensearch.read(answer))
    first = made.search(asked, 1)[0]
    assert (best.path, round(distance, 4)) == (first.path, first.distance)
