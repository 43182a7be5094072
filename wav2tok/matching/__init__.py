"""Token strings, how far apart they are, and rankings by distance."""

from wav2tok.matching.distances import centroid_dtw_distances, edit_distances, weighted_edit_distances
from wav2tok.matching.ranking import mrr_map, rank
from wav2tok.matching.strings import MAX_TOKENS, Tokenized, as_text, deduplicate, runs

__all__ = [
    "MAX_TOKENS",
    "Tokenized",
    "as_text",
    "centroid_dtw_distances",
    "deduplicate",
    "edit_distances",
    "mrr_map",
    "rank",
    "runs",
    "weighted_edit_distances",
]
