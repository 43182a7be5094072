"""Spotting by a tokenizer and the baselines, for running speech with a ``words.tsv`` (`wav2tok.corpus.transcripts`)."""

import numpy as np
import torch

from wav2tok.audio import decode
from wav2tok.config.schema import Config
from wav2tok.corpus import transcripts
from wav2tok.corpus.recordings import Recordings
from wav2tok.evaluation.spotting import spot
from wav2tok.evaluation.spotting.metrics import Spotting
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.progress import log
from wav2tok.spectra.embed import frame_tokens
from wav2tok.spectra.store import fill
from wav2tok.tokenizer.tokenizer import Tokenizer

# The k-means baseline is fitted on at most this many recordings.
_BASELINE_RECORDINGS = 300


def spot_words(
    train: Recordings,
    test: Recordings,
    tokenizer: Tokenizer,
    untrained: Wav2Tok | None,
    config: Config,
) -> Spotting | None:
    """Evaluate spotting by the tokenizer, as it is served, and by the baselines.

    Args:
        train: sentences that set thresholds and fit the k-means baseline.
        untrained: the encoder with random weights; None omits all baselines.

    Returns:
        None unless all recordings of both parts are transcribed and some word occurs often enough.

    Raises:
        UserError: a malformed transcript or recording.
    """
    if not (transcripts.has_transcripts(train.paths) and transcripts.has_transcripts(test.paths)):
        return None
    rate = tokenizer.sample_rate

    def encode_frames(waves: list[np.ndarray]) -> list[np.ndarray]:
        return tokenizer.encode_frames(waves, rate)

    systems = spot.spotters("wav2tok", "wav2tok", encode_frames, tokenizer.frame_seconds, tokenizer.codebook)
    if untrained is not None:
        model = untrained.cpu().eval()

        def random_weights(waves: list[np.ndarray]) -> list[np.ndarray]:
            return frame_tokens(model, fill(waves, model.front_end, None, torch.device("cpu")))

        systems += spot.spotters("untrained", "untrained encoder", random_weights, tokenizer.frame_seconds)
        sample = train.take(range(0, len(train), -(-len(train) // _BASELINE_RECORDINGS)))
        waves = [decode.read(path, rate) for path in sample.paths]
        systems += spot.baseline_spotters(waves, tokenizer.num_tokens, rate, config.seed)
    try:
        return spot.spot_all(train, test, systems, rate, bootstrap=config.evaluate.bootstrap, seed=config.seed)
    except spot.TooFewWords as error:
        log.info(f"no spotting: {error}")
        return None
