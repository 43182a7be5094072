"""Ready-made models, which the package brings: ``wav2tok:NAME`` is the graph ``models/NAME.onnx``.

Next to a graph lies its card, ``models/NAME.md``. Its first paragraph says what the model is for, and a line that
begins with `LICENCE` how it is licensed.
"""

from dataclasses import dataclass
from pathlib import Path

from wav2tok.errors import UserError
from wav2tok.tokenizer.format import METADATA_KEY, Metadata
from wav2tok.tokenizer.graph import properties

PREFIX = "wav2tok:"
FOLDER = Path(__file__).resolve().parents[1] / "models"
LICENCE = "- licence: "


@dataclass(frozen=True)
class About:
    """What there is to know before one is chosen.

    Attributes:
        model: its name, with `PREFIX`.
        purpose: what it is for, one sentence.
        licence: of the model.
        metadata: what the graph says of itself.
    """

    model: str
    purpose: str
    licence: str
    metadata: Metadata

    @property
    def tokens_per_second(self) -> float:
        """Before repeats are dropped."""
        return self.metadata.sample_rate / (self.metadata.hop * self.metadata.stack)


def names() -> list[str]:
    """The models there are, with `PREFIX`, sorted."""
    return sorted(PREFIX + path.stem for path in FOLDER.glob("*.onnx"))


def find(model: str) -> Path:
    """The graph of ``wav2tok:NAME``.

    Raises:
        UserError: there is none; the sentence lists those there are.
    """
    known = names()
    if model not in known:
        choice = f"there are {', '.join(known)}" if known else "this installation has none"
        raise UserError(f"{model} is not a ready-made model; {choice}.", "model")
    return FOLDER / f"{model.removeprefix(PREFIX)}.onnx"


def card_of(graph: Path) -> Path:
    """The card of a ready-made model's graph."""
    return graph.with_suffix(".md")


def about(model: str) -> About:
    """What card and graph of ``wav2tok:NAME`` say.

    Raises:
        UserError: no ready-made model has this name.
        ValueError: its graph or card lacks something.
    """
    graph = find(model)
    facts = properties(graph.read_bytes())
    if METADATA_KEY not in facts:
        raise ValueError(f"{graph} has no metadata of wav2tok.")
    text = card_of(graph).read_text(encoding="utf-8")
    paragraphs = [part for part in text.split("\n\n") if part.strip() and not part.startswith("#")]
    licences = [line.removeprefix(LICENCE) for line in text.splitlines() if line.startswith(LICENCE)]
    if not paragraphs or not licences:
        raise ValueError(f"{card_of(graph)} says no purpose or no licence.")
    return About(model, " ".join(paragraphs[0].split()), licences[0], Metadata.from_json(facts[METADATA_KEY]))
