"""All that is measured of a tokenizer."""

from dataclasses import dataclass

from wav2tok.evaluation.retrieval.result import Result
from wav2tok.evaluation.spotting.metrics import Spotting


@dataclass(frozen=True)
class Judged:
    """The results of retrieval and, where the recordings have transcripts, of spotting."""

    retrieval: Result
    spotting: Spotting | None
