"""What 1,000 and 1,000,000 hours cost, and what gives way first: ``python -m benchmarks.sums`` writes ``sums.md``.

The rates are those of ``results.json`` and ``search.md``. Only the bytes of a row in Parquet and of a path in memory
are measured here.
"""

import io
import json
import os
import re
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

from wav2tok.bulk.parts import ROWS
from wav2tok.bulk.rows import name, table
from wav2tok.files import replacing
from wav2tok.matching import Tokenized
from wav2tok.matching.candidates import MAX_UNITS
from wav2tok.speed.table import RATE
from wav2tok.tokenizer.tokenizer import Tokenizer

HERE = Path(__file__).parent
PAGE = HERE / "sums.md"
HOURS = (1_000, 1_000_000)
SECONDS, TOKENS = 10, 47
"""Of a recording."""
PCM_BYTES = 2 * 16_000
"""Of a second of sound: 16 bits at 16 kHz."""
SEGMENTS = 64
"""Of an index; with more of them the keys of votes are 64 bits wide."""
DISK, MEMORY = 1e12, 16e9


@dataclass(frozen=True)
class Rates:
    """What was measured.

    Attributes:
        cores: of the machine.
        audio: {part: seconds of audio a second}, all cores at work.
        spectra: bytes of spectra for each hour.
        index_bytes: of an index, for each token.
        index_build: strings a second, one core.
        search: seconds of one search in a million recordings, one core.
        row: bytes of a row in Parquet.
        path: bytes of memory of a bulk job for each of its files.
        stale: the parts whose note says that they are to be measured again.
    """

    cores: int
    audio: Mapping[str, float]
    spectra: float
    index_bytes: float
    index_build: float
    search: float
    row: float
    path: float


def measured() -> Rates:
    """The rates in the files of this folder.

    Raises:
        ValueError: a file no longer says one of them.
    """
    results = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    search = (HERE / "search.md").read_text(encoding="utf-8")
    rows = {row["part"]: row for row in results["rows"]}
    return Rates(
        cores=results["machine"]["cores"],
        audio={part: _rate(rows[part]) for part in AUDIO.values()},
        spectra=_number(r"1,000 hours .* take ([\d.]+) GB of disk", rows[PREPARING]["note"]) * 1e9 / 1000,
        index_bytes=_number(r"\| on disk \| ([\d.]+) bytes a token", search),
        index_build=_number(r"\| build, 1,000,000 strings \| ([\d,]+) strings/s", search),
        search=_number(r"\| search by candidates, 1,000,000 recordings \| mean ([\d.]+) ms", search) / 1000,
        row=_row_bytes(),
        path=_path_bytes(),
    )


def _rate(row: dict[str, Any]) -> float:
    """Seconds of audio per second."""
    return float(row["measured"] if row["unit"] == RATE else 3600 / row["measured"])


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"{pattern!r} is not in the results any more")
    return float(found[1].replace(",", ""))


def _row_bytes() -> float:
    """Of a part of random token strings, the worst that compression can meet, and paths of 40 characters."""
    tokenizer = Tokenizer.from_pretrained("wav2tok:speech", "cpu", 1)
    rng = np.random.default_rng(0)
    strings = rng.integers(tokenizer.num_tokens, size=(ROWS, TOKENS))
    frames = int(SECONDS / tokenizer.frame_seconds)
    starts = [np.sort(rng.choice(frames, TOKENS, replace=False)) for _ in range(ROWS)]
    rows = [Tokenized(path, float(SECONDS), *one) for path, *one in zip(_paths(), strings, starts, strict=True)]
    sink = io.BytesIO()
    parquet.write_table(table(rows, {}, tokenizer), sink, compression="zstd")
    return sink.tell() / ROWS


def _paths() -> list[str]:
    return [f"/recordings/{i // 1000:09d}/{i:013d}.flac" for i in range(ROWS)]


def _path_bytes() -> float:
    """Of what `wav2tok.bulk.job` keeps of its files: the list, their names in a set, and their bytes."""
    tracemalloc.start()
    try:
        files = _paths()
        kept = (files, {name(path) for path in files}, [os.fsencode(path) for path in files])
        return tracemalloc.get_traced_memory()[0] / len(kept[0])
    finally:
        tracemalloc.stop()


PREPARING = "preparing a corpus, the largest"
AUDIO = {
    "validating: reading and decoding": "reading and decoding",
    "tokenizing": "tokenizing a corpus",
    "preparing a training: spectra": PREPARING,
    "training, each pass over all of it": "epoch",
}
"""{work: the part of the benchmark that has its rate}."""


def core_hours(rates: Rates, hours: int) -> dict[str, float]:
    """{work: hours of one core}; what does not grow with the corpus is left out."""
    found = {work: rates.cores * hours / rates.audio[part] for work, part in AUDIO.items()}
    return found | {"building indexes": recordings(hours) / rates.index_build / 3600}


def recordings(hours: float) -> float:
    """How many recordings that is."""
    return hours * 3600 / SECONDS


def storage(rates: Rates, hours: int) -> dict[str, float]:
    """{what: bytes}."""
    count = recordings(hours)
    return {
        "recordings, uncompressed": hours * 3600 * PCM_BYTES,
        "spectra of a training, on the disk of one machine": hours * rates.spectra,
        "tokens in Parquet": count * rates.row,
        "indexes": count * TOKENS * rates.index_bytes,
    }


def limits(rates: Rates) -> dict[str, float]:
    """{what gives way: the hours from which on}, the first one first."""
    found = {
        f"one index: {SEGMENTS} segments of {MAX_UNITS:,} recordings": SEGMENTS * MAX_UNITS * SECONDS / 3600,
        "training: its spectra fill a disk of 1 TB": DISK / rates.spectra,
        f"one machine of {rates.cores} cores: tokenizing takes more than a day": 24
        * rates.audio["tokenizing a corpus"],
        "one bulk job: the list of its files fills 16 GB": MEMORY / rates.path * SECONDS / 3600,
    }
    return dict(sorted(found.items(), key=lambda one: one[1]))


def page(rates: Rates) -> str:
    """The page, in Markdown."""
    heads = " | ".join(f"{hours:,} hours" for hours in HOURS)
    works = [core_hours(rates, hours) for hours in HOURS]
    stores = [storage(rates, hours) for hours in HOURS]
    work = "\n".join(
        f"| {name} | {' | '.join(f'{_figure(one[name])} core hours' for one in works)} |" for name in works[0]
    )
    machines = " | ".join(f"{max(1, int(np.ceil(one['tokenizing'] / 24 / rates.cores)))}" for one in works)
    kept = "\n".join(f"| {name} | {' | '.join(_bytes(one[name]) for one in stores)} |" for name in stores[0])
    search = " | ".join(f"{_figure(1000 * rates.search * _millions(hours))} ms of one core" for hours in HOURS)
    ends = "\n".join(f"| {name} | {_figure(hours)} hours |" for name, hours in limits(rates).items())
    return f"""# What large collections cost

`python -m benchmarks.sums` writes this page from [the cost on one machine](results.md) and
[the cost of search](search.md). The sums assume recordings of {SECONDS} seconds and {TOKENS} tokens, a model of the
profile `general`, and that cost grows with the hours. The network, the disks that recordings are read from, and what
Ray itself takes are not in them. No corpus beyond 100 hours and no index beyond a million recordings was measured.

| work | {heads} |
|---|---|---|
{work}
| machines of {rates.cores} cores that tokenize all of it within a day | {machines} |
| one search, in indexes of a million recordings | {search} |

| storage | {heads} |
|---|---|---|
{kept}

## What gives way first

| | from |
|---|---|
{ends}

* **The index.** A larger one still answers, but recall falls as it grows, and its votes take longer to sort. Make
  several and take the best of their answers, or [export them](../howto/search-at-scale.md).
* **Training.** The cost of a step, an E-step and a validation does not grow with the corpus, but the spectra of all
  recordings lie on the disk of the machine that trains. Train on a part.
* **Tokenizing.** `wav2tok tokenize --ray` [spreads it over machines](../howto/many-machines.md). One process lists the
  files and writes the rows, so give each job a part of the folders.
* **Not measured:** how DVC and `wav2tok validate` behave with millions of files.
"""


def _millions(hours: int) -> int:
    return -int(-recordings(hours) // 1_000_000)


def _figure(number: float) -> str:
    """Two significant digits, without an exponent."""
    return f"{float(f'{number:.2g}'):,.10g}"


def _bytes(number: float) -> str:
    unit, name = next((unit, name) for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")) if number >= unit)
    return f"{_figure(number / unit)} {name}"


def main() -> None:
    """Write the page."""
    with replacing(PAGE) as new:
        new.write_text(page(measured()), encoding="utf-8")


if __name__ == "__main__":
    main()
