"""Token strings, how far apart they are, and rankings by distance."""

from wav2tok.matching.decoded import decoded_dtw_distances
from wav2tok.matching.distances import centroid_dtw_distances, edit_distances, weighted_edit_distances
from wav2tok.matching.hubs import without_hubs
from wav2tok.matching.local import local_distances
from wav2tok.matching.ranking import mrr_map, rank
from wav2tok.matching.strings import MAX_TOKENS, Tokenized, as_text, deduplicate, runs

__all__ = [
    "MAX_TOKENS",
    "Tokenized",
    "as_text",
    "centroid_dtw_distances",
    "decoded_dtw_distances",
    "deduplicate",
    "edit_distances",
    "local_distances",
    "mrr_map",
    "rank",
    "runs",
    "weighted_edit_distances",
    "without_hubs",
]
