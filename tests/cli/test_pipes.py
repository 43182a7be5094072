"""A named pipe in place of each file that a verb reads: one sentence, at once, and nothing is written."""

import os
import shutil

import pytest

READS = {
    "split --manifest": "corpus --out new",
    "labels --manifest": "corpus --model model --out new",
    "labels --delivery": "corpus --model model --out new",
    "validate --accepted": "corpus --out new",
    "validate --expectations": "corpus --out new",
    "validate --params": "corpus --out new",
    "cluster --data": "--out new",
    "export --sign": "--model model --out new",
    "pull --verify": "model --out new",
    "changes --delivery": "--data audios.bin --model model --before wav2tok:humming --out new --no-track",
    "changes --labels": "--data audios.bin --model model --before wav2tok:humming --out new --no-track",
    "changes --replayed": "--data audios.bin --model model --before wav2tok:humming --out new --no-track",
    "serve --api-keys": "--model model --port 0",
    "serve --log-queries": "--model model --index corpus --port 0",
    "replay LOG": "--index index --model model",
}
"""Verbs, each with the option or argument that is the pipe: the rest of the command."""


@pytest.mark.promise(
    "A pipe in place of a file that a verb reads", "The verb refuses it before the work; nothing waits."
)
@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", READS)
def test_a_pipe_is_refused(case, folder, tiny_corpus, tiny_split, tiny_model, cli):
    shutil.copytree(tiny_corpus, folder / "corpus")
    shutil.copy(tiny_split, folder / "audios.bin")
    shutil.copytree(tiny_model, folder / "model")
    if case.startswith("replay"):
        assert cli("index", "corpus", "--model", "model", "--out", "index").code == 0
    os.mkfifo(folder / "pipe")
    before = sorted(folder.rglob("*"))
    verb, place = case.split()
    pipe = [place, "pipe"] if place.startswith("--") else ["pipe"]
    assert "pipe is" in cli(verb, *pipe, *READS[case].split()).complaint
    assert sorted(folder.rglob("*")) == before
