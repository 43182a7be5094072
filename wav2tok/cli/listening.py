"""The verb listen: tokens, alerts or matches of sound while it is heard."""

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wav2tok.cli import console
from wav2tok.cli.options import Device, Threads, Variant
from wav2tok.cli.use import CHAMPION, opened
from wav2tok.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from wav2tok.live.alerts import Alert
    from wav2tok.live.recent import Answer
    from wav2tok.live.stream import Token
    from wav2tok.search.index import Index
    from wav2tok.tokenizer.tokenizer import Tokenizer


class Encoding(StrEnum):
    """Raw samples on standard input (`wav2tok.audio.raw.ENCODINGS`)."""

    S16LE = "s16le"
    F32LE = "f32le"


Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Hearing:
    """What listens: the rows to print after more samples, float32 [n], and those that are left at the end."""

    push: Callable[["np.ndarray"], Rows]
    close: Callable[[], Rows]


Begin = Callable[[int], Hearing]
"""Begins to listen at a sampling rate in Hz. What it is made of is checked before the microphone is opened."""


def listen(
    pcm: Annotated[
        Encoding | None, typer.Option(help="Read raw samples from standard input instead of the microphone.")
    ] = None,
    rate: Annotated[int | None, typer.Option(min=1000, max=768_000, help="Of --pcm: Hz; by default 16000.")] = None,
    channels: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Of --pcm: how many, to be averaged; by default 1.")
    ] = None,
    microphone: Annotated[
        str | None, typer.Option(help="Number, or part of the name, of a microphone; by default the system's.")
    ] = None,
    wanted: Annotated[
        list[Path] | None,
        typer.Option("--for", metavar="RECORDING", help="Print an alert when this sound occurs; may be repeated."),
    ] = None,
    index: Annotated[
        Path | None, typer.Option(help="Print what the last seconds are like in the index of this folder.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=3, max=3600, help="Of --index: how much of the last sound is searched for.")
    ] = 5,
    top: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Of --index: maximum number of matches at a time.")
    ] = 1,
    expected: Annotated[
        float,
        typer.Option(
            min=0,
            max=1_000_000,
            help="Alerts of a sound per hour, or matches at a time, that chance may bring; fewer is stricter.",
        ),
    ] = 0.1,
    model: Annotated[
        str | None,
        typer.Option(help="As for tokenize; by default the model that the index was made with, or the champion."),
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
    variant: Variant = None,
) -> None:
    """Print the tokens of the microphone's sound as they come, one JSON line each, or alerts, or what it is like.

    Ctrl-C ends it, or the end of standard input.
    """
    from wav2tok.tokenizer.tokenizer import Tokenizer

    console.keep_output_clean()
    if wanted and index is not None:
        raise UserError("it does not go with --index; start wav2tok listen twice.", "for")
    for name, value in (("rate", rate), ("channels", channels)):
        if pcm is None and value is not None:
            raise UserError("it describes raw samples on standard input; name their encoding with --pcm, too.", name)
    if pcm is not None and microphone is not None:
        raise UserError("it does not go with --pcm, which reads standard input.", "microphone")
    if index is not None:
        loaded, tokenizer = opened(index, model, device, threads, variant)
        begin = _matches(loaded, tokenizer, seconds, top, expected)
    else:
        tokenizer = Tokenizer.from_pretrained(model or CHAMPION, device, threads, variant)
        begin = _alerts(wanted, tokenizer, expected) if wanted else _tokens(tokenizer)
    tokenizer.warm_up()
    with _ending() as ending, _sound(pcm, rate or 16000, channels or 1, microphone) as (hertz, blocks):
        hearing, heard = begin(hertz), 0
        source = "the microphone" if pcm is None else "standard input"
        print(f"{tokenizer.source} listens to {source}, {hertz} Hz", file=sys.stderr, flush=True)
        for block in ending.until_asked(blocks):
            heard += len(block)
            _print(hearing.push(block))
        _print(hearing.close())
        print(f"{heard / hertz:.1f} s of sound were heard", file=sys.stderr, flush=True)


def _tokens(tokenizer: "Tokenizer") -> Begin:
    from wav2tok.live.stream import TokenStream

    def begin(rate: int) -> Hearing:
        stream = TokenStream(tokenizer, rate)
        return Hearing(lambda samples: _rows(stream.push(samples)), lambda: _rows(stream.close()))

    return begin


def _alerts(wanted: list[Path], tokenizer: "Tokenizer", expected: float) -> Begin:
    from wav2tok.live.alerts import Watcher, window_for
    from wav2tok.live.stream import StepStream
    from wav2tok.search.query import query_of

    queries = [query_of(path, tokenizer) for path in wanted]
    strings = {query.path: query.tokens for query in queries}
    watcher = Watcher(strings, tokenizer.num_tokens, tokenizer.frame_seconds, expected)

    def begin(rate: int) -> Hearing:
        stream = StepStream(tokenizer, rate, window_for(query.seconds for query in queries))
        return Hearing(
            lambda samples: _rows(watcher.push(stream.push(samples))),
            lambda: _rows([*watcher.push(stream.close()), *watcher.close()]),
        )

    return begin


def _matches(index: "Index", tokenizer: "Tokenizer", seconds: float, top: int, expected: float) -> Begin:
    from wav2tok.live.recent import Recent

    def row(answer: "Answer") -> dict[str, Any]:
        hits = [
            {"path": hit.path, "start_s": hit.start, "end_s": hit.end}
            | {"similarity": hit.similarity, "expected_by_chance": hit.expected_by_chance}
            for hit in answer.hits
        ]
        return {"start": answer.start, "end": answer.end, "matches": hits}

    def begin(rate: int) -> Hearing:
        recent = Recent(index, tokenizer, rate, seconds, top, expected)
        return Hearing(lambda samples: [row(answer) for answer in recent.push(samples)], list)

    return begin


def _rows(found: "Sequence[Token | Alert]") -> Rows:
    return [asdict(one) for one in found]


def _print(rows: Rows) -> None:
    for row in rows:
        print(json.dumps(row, ensure_ascii=False), flush=True)


@contextmanager
def _sound(
    pcm: Encoding | None, rate: int, channels: int, name: str | None
) -> Iterator[tuple[int, "Iterator[np.ndarray]"]]:
    """The sampling rate and the samples, float32 [n] each, of standard input or a microphone."""
    if pcm is None:
        from wav2tok.live.microphone import microphone

        with microphone(name) as opened:
            yield opened
        return
    from wav2tok.audio import raw

    if sys.stdin is None or sys.stdin.isatty():
        raise UserError("standard input is closed or a terminal; pipe raw samples in.", "pcm")
    with open(sys.stdin.fileno(), "rb", closefd=False) as file:
        yield rate, raw.stream(file, pcm, channels)


class _Ending:
    """Ctrl-C or SIGTERM ends the listening between two blocks, so that nothing heard is lost."""

    def __init__(self) -> None:
        self._asked = self._waiting = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if self._waiting:
            raise KeyboardInterrupt

    def until_asked(self, blocks: "Iterator[np.ndarray]") -> "Iterator[np.ndarray]":
        """The blocks until a signal comes, which ends a wait for the next one."""
        while True:
            try:
                self._waiting = True
                if self._asked:
                    return
                block = next(blocks)
            except (StopIteration, KeyboardInterrupt):
                return
            finally:
                self._waiting = False
            yield block


@contextmanager
def _ending() -> Iterator[_Ending]:
    ending = _Ending()
    before = {number: signal.signal(number, ending.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
