"""Spoken pseudo-words, made with the program espeak-ng: more training recordings for tokenizers of speech.

``make(Path("spoken"))`` writes ``spoken/shanomul/m3_01.flac`` and so on: one folder per word, with readings by several
voices.
"""

import io
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from wav2tok import files
from wav2tok.audio import decode
from wav2tok.errors import UserError
from wav2tok.progress import track
from wav2tok.writable import require_empty

PROGRAM = "espeak-ng"
MISSING = f"{PROGRAM} is not on the PATH; install it, on Debian or Ubuntu with: apt-get install {PROGRAM}"
SAMPLE_RATE = 16000
THREADS = 2
# Rules for Latin letters differ between languages, so words differ in their sounds and not only in their letters.
# espeak-ng reads Latin letters in ar, el, fa, hi and ru by its English rules. (Of fr-fr, 1.51 ignores the variants.)
LANGUAGES = ("en", "en-us", "ar", "de", "es", "fr", "ru", "it", "hi", "tr", "fa", "pt", "sw", "el", "pl")
VARIANTS = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5")
VOICES = {"m0": ""} | {name: f"+{name}" for name in VARIANTS}
"""What a voice is called in file names, and how espeak-ng is asked for it; ``m0`` is a language's own voice."""
WORDS_PER_MINUTE = (110, 210)
PITCH = (20, 80)
"""On espeak-ng's scale of 0 to 99."""
QUIET = 0.01
"""Share of the peak below which the beginning and the end of a reading are cut off."""

ONSETS = ("b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "y", "z", "sh", "ch", "th", "j")
NUCLEI = ("a", "e", "i", "o", "u", "ai", "au", "ee", "oo")
CODAS = ("n", "r", "s", "t", "l", "m", "k")
SYLLABLES = (0.25, 0.5, 0.25)
"""How often a word has one, two or three of them."""


@dataclass(frozen=True)
class Reading:
    """One voice reading one word: the ``number``-th by that voice, at a speaking rate and a pitch."""

    word: str
    language: str
    voice: str
    number: int
    words_per_minute: int
    pitch: int

    @property
    def command(self) -> list[str]:
        """What to run; it writes a WAV file to standard output."""
        how = {"-v": self.language + VOICES[self.voice], "-s": self.words_per_minute, "-p": self.pitch}
        return [PROGRAM, *(str(part) for option in how.items() for part in option), "--stdout", self.word]

    @property
    def name(self) -> str:
        """Its file, below the folder of the corpus."""
        return f"{self.word}/{self.voice}_{self.number:02d}.flac"


def readings(words: int, voices: int, seed: int) -> Iterator[Reading]:
    """What to read: ``words`` different words, each in one language by ``voices`` voices.

    A voice reads a word again, at another rate and pitch, only after all `VOICES` have read it. More words or voices
    leave the others unchanged.
    """
    known: set[str] = set()
    for index in range(words):
        rng = np.random.default_rng([seed, index])
        word = _word(rng)
        while word in known:
            word = _word(rng)
        known.add(word)
        language = str(rng.choice(LANGUAGES))
        order = rng.permutation(list(VOICES))
        for k in range(voices):
            rate, pitch = int(rng.integers(*WORDS_PER_MINUTE)), int(rng.integers(*PITCH))
            yield Reading(word, language, str(order[k % len(order)]), k // len(order) + 1, rate, pitch)


def _word(rng: np.random.Generator) -> str:
    """A word of one to three syllables, at least two letters."""
    word = ""
    while len(word) < 2:
        word = "".join(_syllable(rng) for _ in range(rng.choice([1, 2, 3], p=SYLLABLES)))
    return word


def _syllable(rng: np.random.Generator) -> str:
    onset = str(rng.choice(ONSETS)) if rng.random() < 0.9 else ""
    coda = str(rng.choice(CODAS)) if rng.random() < 0.35 else ""
    return onset + str(rng.choice(NUCLEI)) + coda


def speak(reading: Reading) -> np.ndarray:
    """The sound of a reading without the silence around it, float32 [N] at `SAMPLE_RATE`.

    Raises:
        UserError: espeak-ng is not installed, or cannot do this.
    """
    try:
        done = subprocess.run(reading.command, capture_output=True)
    except FileNotFoundError:
        raise UserError(MISSING) from None
    try:
        wave, rate = soundfile.read(io.BytesIO(done.stdout), dtype="float32")
    except soundfile.LibsndfileError:
        wave, rate = np.zeros(0, dtype=np.float32), SAMPLE_RATE
    loud = np.flatnonzero(np.abs(wave) > QUIET * np.abs(wave).max(initial=0.0))
    if done.returncode or len(loud) == 0:
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}, no sound"
        raise UserError(f"{' '.join(reading.command)} failed ({said}); install a newer espeak-ng with all its voices.")
    return decode.resample(wave[loud[0] : loud[-1] + 1], rate, SAMPLE_RATE)


def make(out: Path, words: int = 400, voices: int = 6, seed: int = 0) -> None:
    """Write ``words`` x ``voices`` readings at 16 kHz as ``out/WORD/VOICE_01.flac``, all or none.

    The same arguments give the same commands, and with the same espeak-ng the same files.

    Args:
        out: a folder that does not exist yet or is empty.

    Raises:
        UserError: ``out`` is not empty, a number is too small, or espeak-ng is not installed.
    """
    out = Path(out)
    for name, value, least in (("words", words, 1), ("voices", voices, 1), ("seed", seed, 0)):
        if value < least:
            raise UserError(f"{name} is {value}; it must be at least {least}.")
    if shutil.which(PROGRAM) is None:
        raise UserError(MISSING)
    require_empty(out)
    jobs = list(readings(words, voices, seed))
    with files.replacing_folder(out) as folder:
        for job in jobs[::voices]:
            (folder / job.word).mkdir()

        def write(job: Reading) -> None:
            decode.write(folder / job.name, speak(job), SAMPLE_RATE)

        with ThreadPoolExecutor(THREADS) as pool:
            # If anything stops this loop, such as Ctrl-C, `map` cancels the readings that are still queued.
            for _ in track(pool.map(write, jobs), f"synthesizing {out}", len(jobs)):
                pass
