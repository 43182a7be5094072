"""A corpus to try everything on without a download: melodies hummed by synthetic singers.

``make(Path("data"))`` writes ``data/ode_to_joy/singer01_01.flac`` and so on: one folder per melody, with one take per
singer.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from wav2tok import files
from wav2tok.audio import decode
from wav2tok.errors import UserError
from wav2tok.progress import track
from wav2tok.sample import singers as people
from wav2tok.sample.melodies import Melody
from wav2tok.sample.melodies import melodies as tunes
from wav2tok.sample.performance import perform
from wav2tok.sample.recording import record
from wav2tok.sample.singers import Singer
from wav2tok.sample.voice import control_rate, sing
from wav2tok.writable import require_empty

SAMPLE_RATE = 16000
THREADS = 2


def take(melody: Melody, singer: Singer, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """One take as it would be recorded, float64 [N] within [-1, 1] at ``sample_rate`` (Hz)."""
    performance = perform(melody, singer.style, control_rate(sample_rate), rng)
    return record(sing(performance, singer.voice, sample_rate, rng), singer.room, sample_rate, rng)


def make(out: Path, seed: int = 0, melodies: int = 24, singers: int = 10) -> None:
    """Write ``melodies`` x ``singers`` takes of 4.5 to 7.5 s at 16 kHz as ``out/MELODY/SINGER_01.flac``, all or none.

    A take depends on ``seed``, its melody and its singer only, so more melodies or singers leave the others unchanged.

    Args:
        out: a folder that does not exist yet or is empty.

    Raises:
        UserError: ``out`` is not empty, or a number is too small.
    """
    out = Path(out)
    for name, value, least in (("seed", seed, 0), ("melodies", melodies, 1), ("singers", singers, 1)):
        if value < least:
            raise UserError(f"{name} is {value}; it must be at least {least}.")
    require_empty(out)

    cast = [people.draw(index, seed) for index in range(singers)]
    jobs = [(m, melody, s, singer) for m, melody in enumerate(tunes(melodies, seed)) for s, singer in enumerate(cast)]
    with files.replacing_folder(out) as folder:
        for _, melody, _, _ in jobs[::singers]:
            (folder / melody.name).mkdir()

        def write(job: tuple[int, Melody, int, Singer]) -> None:
            m, melody, s, singer = job
            wave = take(melody, singer, SAMPLE_RATE, np.random.default_rng([seed, 2, m, s]))
            decode.write(folder / melody.name / f"{singer.name}_01.flac", wave, SAMPLE_RATE)

        with ThreadPoolExecutor(THREADS) as pool:
            # If anything stops this loop, such as Ctrl-C, `map` cancels the takes that are still queued.
            for _ in track(pool.map(write, jobs), f"synthesizing {out}", len(jobs)):
                pass
