"""``--out`` never deletes what its verb did not write."""

import shutil

import pytest


@pytest.fixture
def inputs(folder, tiny_corpus, tiny_split, tiny_model):
    """The working folder, with recordings, a split and a model."""
    shutil.copytree(tiny_corpus, folder / "corpus")
    shutil.copy(tiny_split, folder / "audios.bin")
    shutil.copytree(tiny_model, folder / "model")
    return folder


VERBS = {
    "validate": ("validation.json", ["corpus"]),
    "cluster": ("untrained.safetensors", ["--data", "audios.bin"]),
    "train": ("tokenizer.onnx", ["--data", "audios.bin", "--no-track"]),
    "evaluate": ("metrics.json", ["--data", "audios.bin", "--model", "model"]),
    "export": ("notes.txt", ["--model", "model"]),
    "register": ("notes.txt", ["--model", "export"]),
    "drift": ("drift.json", ["corpus", "--model", "export"]),
    "changes": ("changes.json", ["--data", "audios.bin", "--model", "model"]),
    "pull": ("notes.txt", ["model"]),
    "sample": ("notes.txt", []),
    "synthesize": ("notes.txt", []),
}


@pytest.mark.promise(
    "--out names a folder with a file of somebody else",
    "The verbs that write a folder of files refuse it in a sentence, and the file stays.",
)
@pytest.mark.parametrize("verb", VERBS)
def test_a_file_of_somebody_else_stays(inputs, cli, verb):
    if verb == "synthesize" and shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    name, arguments = VERBS[verb]
    (inputs / "export").mkdir()
    (inputs / "export" / "export.json").write_text('{"approved": false, "reasons": ["small."], "report": null}')
    out = inputs / "mine"
    out.mkdir()
    (out / name).write_text("mine")
    place = [str(out)] if verb == "sample" else ["--out", out]
    complaint = cli(verb, *arguments, *place).complaint
    assert name in complaint or verb in ("sample", "synthesize")
    assert str(out) in complaint
    assert [path.name for path in out.iterdir()] == [name]
    assert (out / name).read_text() == "mine"


def test_a_file_where_an_index_would_be_stays(inputs, cli):
    song = inputs / "song.bin"
    song.write_bytes(b"RIFF....WAVE")
    assert "song.bin is a file" in cli("index", "corpus", "--model", "model", "--out", song).complaint
    assert song.read_bytes() == b"RIFF....WAVE"


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("split", ["corpus"]),
        ("labels", ["corpus", "--model", "model"]),
        ("ingest", ["inbox", "--set", "data.path=corpus"]),
    ],
)
def test_a_file_that_is_not_of_the_verb_stays(inputs, cli, verb, arguments):
    shutil.copytree(inputs / "corpus" / "arch", inputs / "inbox" / "new")
    song = inputs / "song.bin"
    song.write_bytes(b"RIFF....WAVE")
    assert "song.bin would be replaced" in cli(verb, *arguments, "--out", song).complaint
    assert song.read_bytes() == b"RIFF....WAVE"
    assert len([*(inputs / "inbox").rglob("*.flac")]) == 7
    for _ in range(2):  # but its own file is replaced
        assert cli(verb, *arguments, "--out", inputs / "own.bin").code == 0
