"""Build a ready-made model of the package: the graph ``wav2tok/models/NAME.onnx`` and its card.

``python -m benchmarks.ready_made speech DATA`` splits, trains, evaluates and exports with the verbs of the README and
``--set profile=speech``. The card quotes the report, and the command that was run.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from wav2tok.corpus import audios_bin
from wav2tok.errors import UserError
from wav2tok.files import read_json, read_text, replacing
from wav2tok.report.folder import ReportFolder
from wav2tok.tokenizer import ready_made
from wav2tok.tokenizer.format import EXPORT_FILE, GRAPH_NAMES
from wav2tok.tokenizer.tokenizer import Tokenizer

MAX_BYTES = 5_000_000
"""A graph may be as large as that: every installation downloads it."""
LICENCE = "Apache-2.0"
"""Of the project, and so of its models."""
CARD = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
).get_template("ready_made.card.md")


@dataclass(frozen=True)
class Facts:
    """What no file says of a model: what it is for, and what it was made of.

    Attributes:
        purpose: one sentence, which ``wav2tok models`` prints.
        data_licence: of the recordings; None for synthetic ones.
        data: the recordings, with their authors and licence.
        use, limits: what it may be relied on for, and what not.
    """

    purpose: str
    data_licence: str | None
    data: str
    use: str
    limits: Sequence[str]


MODELS: Mapping[str, Facts] = {
    "speech": Facts(
        purpose="Short spoken words by any speaker.",
        data_licence="CC BY 4.0",
        data="Words of the Arabic Speech Commands data set by Abdulkader Ghandoura, Farouk Hjabo and Oumayma Al "
        "Dakkak, licence CC BY 4.0. Training changed them in pitch, tempo and noise; the model holds no recording.",
        use="Finding recordings of the same word, by another speaker, in archives of single words or short phrases.",
        limits=(
            "It was tested on words of one language. Measure it on your own recordings before you rely on it.",
            "Words that training never heard are found less well; see the figures.",
            "It does not transcribe, and it does not say who speaks.",
            "Short words are rarely found within running speech.",
        ),
    ),
    "humming": Facts(
        purpose="Hummed or sung melodies, by any voice and in any key.",
        data_licence=None,
        data="Melodies by synthetic singers, made with wav2tok sample; no recording of a person.",
        use="Finding recordings of the same melody, by another voice, in archives of single voices.",
        limits=(
            "It hears one melody at a time. It was not trained on accompaniment or polyphony.",
            "The singers of its training are synthetic. Measure it on your own recordings before you rely on it.",
            "Without pitch, in whispering or percussion, its tokens mean little.",
        ),
    ),
}


def build(name: str, data: Path, work: Path, into: Path, split: Sequence[str] = (), sets: Sequence[str] = ()) -> Path:
    """Train the model ``name``, write its graph and card to ``into``, and return the graph's path.

    Args:
        data: the recordings, as ``wav2tok split`` takes them.
        work: where the split, the training, the report and the export go; a training there resumes.
        split: more arguments of ``wav2tok split``.
        sets: parameters (KEY=VALUE) over those of the profile, for training and evaluation.

    Raises:
        UserError: the gate refuses the model, or its graph is larger than `MAX_BYTES`.
    """
    audios, model, report, export = (work / part for part in ("audios.bin", "model", "report", "export"))
    chosen = [f"--set={value}" for value in (f"profile={name}", *sets)]
    _verb("split", data, *split, "--out", audios)
    _verb("train", "--data", audios, "--out", model, "--no-track", *chosen)
    _verb("evaluate", "--data", audios, "--model", model, "--out", report, "--no-track", *chosen)
    _verb("export", "--model", model, "--report", report, "--out", export)
    outcome = read_json(export / EXPORT_FILE)
    if not outcome["approved"]:
        raise UserError(f"the gate refuses {name}: {' '.join(outcome['reasons'])}")
    graph = export / GRAPH_NAMES[0]
    if graph.stat().st_size > MAX_BYTES:
        raise UserError(f"{graph} has {graph.stat().st_size} bytes; a ready-made model has at most {MAX_BYTES}.")
    made = into / f"{name}.onnx"
    with replacing(made) as temporary:
        shutil.copy(graph, temporary)
    with replacing(ready_made.card_of(made)) as temporary:
        text = card(name, made, audios, ReportFolder(report), command(name, data, split, sets), sets)
        temporary.write_text(text, encoding="utf-8")
    return made


def _verb(*arguments: str | Path) -> None:
    """Run ``wav2tok ARGUMENTS`` in a process of its own; what it prints is shown."""
    done = subprocess.run([sys.executable, "-m", "wav2tok", *map(str, arguments)])
    if done.returncode:
        raise UserError(f"wav2tok {arguments[0]} ended with exit code {done.returncode}; see above.")


def command(name: str, data: Path, split: Sequence[str], sets: Sequence[str]) -> str:
    """The command that builds the model again, with folders by their last name: others keep them elsewhere."""
    words = ["python", "-m", "benchmarks.ready_made", name, data.resolve().name]
    if split:
        words.append(f"--split={shlex.join(Path(word).name if Path(word).exists() else word for word in split)}")
    return shlex.join([*words, *(f"--set={value}" for value in sets)])


def card(name: str, graph: Path, audios: Path, report: ReportFolder, made_by: str, sets: Sequence[str]) -> str:
    """The card of a graph in Markdown, with the figures of its report."""
    tokenizer = Tokenizer(graph, "cpu")
    about = tokenizer.metadata
    licences = [LICENCE]
    if about.pretrained is not None:
        licences.append(f"contains {about.pretrained['name']} ({about.pretrained['licence']})")
    if MODELS[name].data_licence is not None:
        licences.append(f"trained on data under {MODELS[name].data_licence}")
    parts = audios_bin.read(audios)
    figures: dict[str, Any] = read_json(report.headline)
    return CARD.render(
        name=name,
        facts=MODELS[name],
        about=about,
        licence="; ".join(licences),
        identity=tokenizer.identity,
        rate=1 / tokenizer.frame_seconds,
        megabytes=graph.stat().st_size / 1e6,
        recordings={"training": len(parts.train), "validation": len(parts.valid or ()), "test": len(parts.test)},
        test_classes=None if parts.test.classes is None else len(set(parts.test.classes)),
        figures={key: value for key, value in figures.items() if not isinstance(value, bool)},
        table=read_text(report.table).rstrip(),
        command=made_by,
        sets=sets,
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ready_made", description=__doc__)
    parser.add_argument("name", choices=sorted(MODELS))
    parser.add_argument("data", type=Path, help="the recordings, as wav2tok split takes them")
    parser.add_argument("--work", type=Path, help="split, training, report and export; by default W/NAME")
    parser.add_argument("--into", type=Path, default=ready_made.FOLDER, help="by default the package's folder")
    parser.add_argument("--split", default="", help='more arguments of wav2tok split, such as "--also spoken"')
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over those of the profile")
    asked = parser.parse_args()
    work = asked.work or Path("W") / asked.name
    try:
        made = build(asked.name, asked.data, work, asked.into, shlex.split(asked.split), asked.set)
    except UserError as error:
        sys.exit(f"ready_made: {error}")
    print(f"{made}, {made.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
