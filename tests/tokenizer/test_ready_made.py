"""Ready-made models: those in the package are whole, and a name leads to the graph everywhere."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import wav2tok
from benchmarks.ready_made import MAX_BYTES
from wav2tok.errors import UserError
from wav2tok.tokenizer import ready_made

PRESENT = ready_made.names()
CARD = "# wav2tok:{name}\n\nMelodies of\nfour bends.\n\n- licence: Apache-2.0\n- small\n"


@pytest.fixture
def stand_ins(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the ready-made models ``wav2tok:tiny`` and ``wav2tok:small``, in the place of the package's."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("tiny", "small"):
        shutil.copy(tiny_model / "tokenizer.onnx", folder / f"{name}.onnx")
        (folder / f"{name}.md").write_text(CARD.format(name=name))
    monkeypatch.setattr(ready_made, "FOLDER", folder)
    return folder


def test_the_package_brings_models() -> None:
    assert PRESENT == ["wav2tok:humming", "wav2tok:speech"]


@pytest.mark.parametrize("model", PRESENT)
def test_a_model_of_the_package_is_small_and_whole(model: str) -> None:
    graph = ready_made.find(model)
    assert graph.stat().st_size <= MAX_BYTES
    about = ready_made.about(model)
    tokenizer = wav2tok.Tokenizer(model, "cpu")
    assert about.metadata.to_json() == tokenizer.metadata.to_json()
    assert tokenizer.codebook.shape == (tokenizer.num_tokens, tokenizer.metadata.codebook.shape[1])
    np.testing.assert_allclose(np.linalg.norm(tokenizer.codebook, axis=1), 1.0, atol=1e-3)
    assert tokenizer.metadata.config["train"]["name"]
    assert tokenizer.metadata.epoch is not None
    time = np.arange(tokenizer.sample_rate) / tokenizer.sample_rate
    (tokens,) = tokenizer.encode([np.sin(2 * np.pi * 220 * time * (1 + time))], tokenizer.sample_rate)
    assert 0 <= tokens.min() <= tokens.max() < tokenizer.num_tokens


@pytest.mark.parametrize("model", PRESENT)
def test_a_model_of_the_package_has_its_card(model: str) -> None:
    about = ready_made.about(model)
    card = ready_made.card_of(ready_made.find(model)).read_text(encoding="utf-8")
    assert card.startswith(f"# {model}\n")
    assert "\n- licence: " in card
    for heading in ("Data", "Recipe", "Figures", "Intended use", "Limits"):
        assert f"\n## {heading}\n" in card
    name = model.removeprefix(ready_made.PREFIX)
    assert f"python -m benchmarks.ready_made {name} " in card
    assert wav2tok.Tokenizer(model, "cpu").identity in card
    if about.metadata.pretrained is not None:
        assert about.metadata.pretrained["name"] in card


def test_every_graph_in_the_package_has_a_card_and_every_card_a_graph() -> None:
    graphs, cards = ({path.stem for path in ready_made.FOLDER.glob(f"*.{end}")} for end in ("onnx", "md"))
    assert graphs == cards


def test_a_name_loads_the_graph_and_is_what_the_tokenizer_is_called(stand_ins: Path, tiny_model: Path) -> None:
    for tokenizer in (
        wav2tok.Tokenizer("wav2tok:tiny", "cpu"),
        wav2tok.Tokenizer.from_pretrained("wav2tok:tiny", "cpu"),
    ):
        assert tokenizer.source == "wav2tok:tiny"
        assert tokenizer.identity == wav2tok.Tokenizer(tiny_model, "cpu").identity


def test_an_unknown_name_lists_those_there_are(stand_ins: Path) -> None:
    for wrong in ("wav2tok:piano", "wav2tok:", "wav2tok:../models/tiny"):
        with pytest.raises(UserError, match="is not a ready-made model; there are wav2tok:small, wav2tok:tiny") as told:
            wav2tok.Tokenizer(wrong, "cpu")
        assert str(told.value).startswith(f"{wrong} is not")
    shutil.rmtree(stand_ins)
    with pytest.raises(UserError, match=r"^wav2tok:tiny is not a ready-made model; this installation has none\.$"):
        wav2tok.Tokenizer("wav2tok:tiny", "cpu")


def test_a_card_says_what_for_and_under_which_licence(stand_ins: Path) -> None:
    about = ready_made.about("wav2tok:tiny")
    assert (about.purpose, about.licence) == ("Melodies of four bends.", "Apache-2.0")
    assert about.tokens_per_second == 8000 / (128 * 2)
    (stand_ins / "tiny.md").write_text("# wav2tok:tiny\n\nNothing else.\n")
    with pytest.raises(ValueError, match=r"tiny\.md says no purpose or no licence"):
        ready_made.about("wav2tok:tiny")


def test_an_index_of_a_ready_made_model(stand_ins: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    tokenizer = wav2tok.Tokenizer("wav2tok:tiny", "cpu")
    index = wav2tok.Index.build([tiny_corpus], tokenizer)
    index.save(tmp_path / "index")
    assert (index.identity, index.manifest.model) == (tokenizer.identity, "wav2tok:tiny")
    query = tokenizer.encode_file(tiny_corpus / "arch" / "ada_0.flac")
    assert wav2tok.Index.load(tmp_path / "index", tokenizer).search(query, 1)[0].distance == 0
