"""A result that lies among its recordings is warned of."""

from pathlib import Path

import pytest

from wav2tok.corpus.among import warn_among
from wav2tok.corpus.recordings import Recordings

CLASSES = Recordings(("corpus/yes/ada_0.wav", "corpus/no/more/bo_0.wav"), ("yes", "no"))
LIST = Recordings(("takes/ada_0.wav", "elsewhere/bo_0.wav"))
NAMED_OTHERWISE = Recordings(("takes/ada_0.wav",), ("hello",))


@pytest.mark.promise("train, cluster, split or evaluate writes among the recordings", "A warning names both folders.")
@pytest.mark.parametrize(
    ("recordings", "out", "root"),
    [
        (CLASSES, "corpus/model", "corpus"),
        (CLASSES, "corpus", "corpus"),
        (CLASSES, "corpus/yes/audios.bin", "corpus"),
        (CLASSES, "link/model", "corpus"),
        (CLASSES, "corpus-2/model", None),
        (CLASSES, "model", None),
        (LIST, "elsewhere/model", "elsewhere"),
        (LIST, "corpus/model", None),
        (NAMED_OTHERWISE, "takes/model", "takes"),
        (NAMED_OTHERWISE, "model", None),
    ],
)
def test_a_result_among_the_recordings(
    recordings: Recordings, out: str, root: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    lines: list[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus").mkdir()
    (tmp_path / "link").symlink_to("corpus")
    warn_among(Path(out), recordings)
    said = [f"{out} lies in {root}, where the recordings are"] if root else []
    assert [line.partition(", so ")[0] for line in lines] == said
