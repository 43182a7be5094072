"""``wav2tok index --tokens``: an index of the rows that ``tokenize --ray`` writes is that of the recordings."""

import json

import pytest

from wav2tok.bulk import parts, rows
from wav2tok.search.index import Index
from wav2tok.tokenizer.batch import tokenize_files
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.fixture
def tokens(tmp_path, tiny_corpus, tiny_model):
    """A folder of parts of a corpus and of a file that is not there."""
    tokenizer = Tokenizer.from_pretrained(tiny_model, "cpu", 1)
    files = [*sorted(map(str, tiny_corpus.rglob("*.flac"))), str(tmp_path / "absent.flac")]
    (tmp_path / "tokens").mkdir()
    with parts.Writer(tmp_path / "tokens") as writer:
        for result in tokenize_files(files, tokenizer):
            writer.add(rows.table([result], {}, tokenizer))
    return tmp_path / "tokens"


def test_the_index_is_that_of_the_recordings(cli, tokens, tiny_corpus, tiny_model):
    assert cli("index", tiny_corpus, "--model", tiny_model, "--out", "direct").code == 0
    done = cli("index", "--tokens", tokens, "--model", tiny_model, "--out", "taken")
    assert done.code == 1
    assert json.loads(done.err.splitlines()[0])["path"] == str(tokens.parent / "absent.flac")
    query = next(tiny_corpus.rglob("*.flac"))
    direct, taken = (
        [json.loads(line) for line in cli("search", query, "--index", name, "--model", tiny_model).out.splitlines()]
        for name in ("direct", "taken")
    )
    assert taken == direct
    assert len(taken) == 10


def test_tokens_of_another_model_paths_beside_them_and_other_folders_are_refused(
    cli, tokens, tiny_corpus, tiny_model, folder
):
    other = cli("index", "--tokens", tokens, "--model", "wav2tok:humming", "--out", "new").complaint
    assert other.startswith(f"--tokens: {tokens} holds the tokens of another model, {tiny_model}")
    both = cli("index", tiny_corpus, "--tokens", tokens, "--model", tiny_model, "--out", "new").complaint
    assert both == f"--tokens: {tokens} says which recordings there are; omit PATHS."
    none = cli("index", "--tokens", tiny_corpus, "--model", tiny_model, "--out", "new").complaint
    assert none == f"--tokens: {tiny_corpus} holds no part-00000.parquet; name a folder that tokenize --ray wrote."
    assert not (folder / "new").exists()


def test_an_index_of_tokens_can_be_made_in_python(tokens, tiny_model):
    tokenizer = Tokenizer.from_pretrained(tiny_model, "cpu", 1)
    found = [one for part in parts.read(tokens) for one in rows.results(part) if not hasattr(one, "error")]
    assert len(Index.of(tokenizer, found)) == len(found) == 28
