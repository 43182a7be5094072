"""The verb listen: tokens, alerts or matches of sound while it is heard."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wav2tok.cli.options import Device, Threads, Variant
from wav2tok.cli.use import CHAMPION, opened
from wav2tok.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from wav2tok.tokenizer.tokenizer import Tokenizer


class Encoding(StrEnum):
    """Raw samples on standard input (`wav2tok.audio.raw.ENCODINGS`)."""

    S16LE = "s16le"
    F32LE = "f32le"


Rows = list[dict[str, Any]]
Hear = Callable[["np.ndarray"], Rows]
"""What is to be printed after more samples, float32 [n]."""


def listen(
    pcm: Annotated[
        Encoding | None, typer.Option(help="Read raw samples from standard input instead of the microphone.")
    ] = None,
    rate: Annotated[int, typer.Option(min=1, help="Of --pcm: the sampling rate in Hz.")] = 16000,
    channels: Annotated[int, typer.Option(min=1, help="Of --pcm: interleaved channels; they are averaged.")] = 1,
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
    seconds: Annotated[float, typer.Option(min=3, help="Of --index: how much of the last sound is searched for.")] = 5,
    top: Annotated[int, typer.Option(min=1, help="Of --index: maximum number of matches at a time.")] = 1,
    expected: Annotated[
        float,
        typer.Option(
            min=0, help="Alerts of a sound per hour, or matches at a time, that chance may bring; fewer is stricter."
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

    if wanted and index is not None:
        raise UserError("it does not go with --index; start wav2tok listen twice.", "for")
    if pcm is not None and microphone is not None:
        raise UserError("it does not go with --pcm, which reads standard input.", "microphone")
    if index is not None:
        loaded, tokenizer = opened(index, model, device, threads, variant)
    else:
        tokenizer = Tokenizer.from_pretrained(model or CHAMPION, device, threads, variant)

    def hearer(rate: int) -> tuple[Hear, Callable[[], Rows]]:
        if index is not None:
            from wav2tok.live.recent import Recent

            recent = Recent(loaded, tokenizer, rate, seconds, top, expected)
            return lambda samples: [_answer(one) for one in recent.push(samples)], list
        return _alerts(wanted, tokenizer, rate, expected) if wanted else _tokens(tokenizer, rate)

    hearer(rate)  # what is wrong with the options is said before the microphone is opened
    tokenizer.warm_up()
    with _ending() as ending, _sound(pcm, rate, channels, microphone) as (rate, blocks):
        hear, close = hearer(rate)
        source = "the microphone" if pcm is None else "standard input"
        print(f"{tokenizer.source} listens to {source}, {rate} Hz", file=sys.stderr, flush=True)
        heard = 0
        for block in ending.until_asked(blocks):
            heard += len(block)
            _print(hear(block))
        _print(close())
        print(f"{heard / rate:.1f} s of sound were heard", file=sys.stderr, flush=True)


def _tokens(tokenizer: "Tokenizer", rate: int) -> tuple[Hear, Callable[[], Rows]]:
    from wav2tok.live.stream import TokenStream

    stream = TokenStream(tokenizer, rate)
    return (lambda samples: [asdict(one) for one in stream.push(samples)]), lambda: [asdict(x) for x in stream.close()]


def _alerts(wanted: list[Path], tokenizer: "Tokenizer", rate: int, expected: float) -> tuple[Hear, Callable[[], Rows]]:
    from wav2tok.live.alerts import Watcher, window_for
    from wav2tok.live.stream import StepStream
    from wav2tok.search.query import query_of

    queries = [query_of(path, tokenizer) for path in wanted]
    stream = StepStream(tokenizer, rate, window_for(query.seconds for query in queries))
    strings = {query.path: query.tokens for query in queries}
    watcher = Watcher(strings, tokenizer.num_tokens, tokenizer.frame_seconds, expected)

    def close() -> Rows:
        return [asdict(one) for one in [*watcher.push(stream.close()), *watcher.close()]]

    return (lambda samples: [asdict(one) for one in watcher.push(stream.push(samples))]), close


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
    yield rate, raw.stream(sys.stdin.buffer, pcm, channels)


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
