"""The checks that a corpus must pass, as one table, and the manifest as the data frame that they read."""

import dataclasses
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wav2tok.config.schema import Validate
from wav2tok.corpus import datadocs
from wav2tok.corpus.manifest import Entry

if TYPE_CHECKING:
    import pandas as pd


COLUMNS = (
    "path", "class", "group", "error", "seconds", "sample_rate", "rms_dbfs", "snr_db", "silence_share", "clipped_share",
    "offset", "doubt", "sha256", "source", "class_size", "classes_of_content", "contents_of_copy", "classes_of_copy",
)  # fmt: skip
"""Of the table of recordings, which expectations are about."""


@dataclass(frozen=True)
class Check:
    """One expectation of the manifest, and the words for recordings that fail it."""

    name: str
    severity: Literal["critical", "warning"]
    column: str
    expectation: str  # a class of great_expectations.expectations
    arguments: Mapping[str, Any]
    says: str  # of a recording that fails it; follows "recordings that"
    value: Callable[[Any], str] = str  # formats the value of a failing recording for a reader


def checks(limits: Validate, needed_rate: int) -> list[Check]:
    """Every check, with its severity.

    Args:
        limits: the thresholds.
        needed_rate: Hz; in a file below it, a band is empty where others have sound.
    """
    between, among = "ExpectColumnValuesToBeBetween", "ExpectColumnValuesToBeInSet"
    share = limits.max_unreadable_share
    readable = round(1 - share, 9)  # rounded: 1 - 0.9 must not exceed 0.1
    return [
        Check("unreadable", "warning", "error", among, {"value_set": [""]}, "cannot be used and are left out"),
        Check("too_many_unreadable", "critical", "error", among, {"value_set": [""], "mostly": readable},
              f"cannot be used, and at most {share:.1%} may be so"),
        Check("too_short", "critical", "seconds", between, {"min_value": limits.min_seconds},
              f"are shorter than {limits.min_seconds:g} s", "{:.3g} s".format),
        Check("too_long", "warning", "seconds", between, {"max_value": limits.max_seconds},
              f"are longer than {limits.max_seconds:g} s", "{:.6g} s".format),
        Check("silent", "critical", "rms_dbfs", between, {"min_value": limits.min_rms_dbfs},
              f"are silent, under {limits.min_rms_dbfs:g} dBFS", "{:.1f} dBFS".format),
        Check("offset", "warning", "offset", between, {"min_value": -limits.max_offset, "max_value": limits.max_offset},
              f"have a constant offset (DC) of more than {limits.max_offset:g} of full scale", "{:.3g}".format),
        Check("doubtful", "warning", "doubt", among, {"value_set": [""]}, "are read with a doubt"),
        Check("mostly_silence", "warning", "silence_share", between, {"max_value": limits.max_silence_share},
              f"are silent for more than {limits.max_silence_share:.1%} of their time", "{:.1%}".format),
        Check("clipped", "warning", "clipped_share", between, {"max_value": limits.max_clipped_share},
              f"are clipped in more than {limits.max_clipped_share:.1%} of their samples", "{:.1%}".format),
        Check("duplicate", "warning", "sha256", "ExpectColumnValuesToBeUnique", {},
              "have the same content as another", "SHA-256 {:.12}".format),
        # The same sound under two labels teaches that the two labels are similar.
        Check("duplicate_across_classes", "critical", "classes_of_content", between, {"max_value": 1},
              "have their content in another class too", "in {} classes".format),
        # The same, found by the sound: not as certain as equal bytes.
        Check("copy", "warning", "contents_of_copy", between, {"max_value": 1},
              "are a copy of another in another encoding", "{} encodings".format),
        Check("copy_across_classes", "warning", "classes_of_copy", between, {"max_value": 1},
              "are a copy of one of another class in another encoding", "in {} classes".format),
        # A split keeps them in one part: whoever has heard one of them has heard a part of the others.
        Check("shared_audio", "warning", "source", among, {"value_set": [""]},
              "contain the same audio as another", "of the source {}".format),
        # It has no partner in its class, so training pairs it with its own augmentation.
        Check("lone_recording", "warning", "class_size", between, {"min_value": 2},
              "are alone in their class", "{} in its class".format),
        # Its upper band is empty, so retrieval could tell recordings apart by their microphone.
        Check("low_sample_rate", "warning", "sample_rate", between, {"min_value": needed_rate},
              f"have a sample rate below {needed_rate} Hz, which others reach", "{} Hz".format),
    ]  # fmt: skip


def frame(entries: Sequence[Entry], copies: Sequence[int | None] = ()) -> "pd.DataFrame":
    """The manifest as a data frame for the expectations: one row per file, null where nothing is to be judged.

    In addition to columns of the manifest it has ``class_size``, the number of readable recordings in the row's class;
    ``classes_of_content``, the number of classes that have the row's content; and ``contents_of_copy`` and
    ``classes_of_copy``, the numbers of contents and classes of the recordings that are copies of the row's, null where
    there is no other content.

    Args:
        copies: for each entry the number of the first of its copies, None without any; by default none has any.
    """
    import pandas as pd

    table = pd.DataFrame([dataclasses.asdict(entry) for entry in entries], dtype="object")
    good = table["error"] == ""
    kinds = {
        "seconds": "float64",
        "sample_rate": "Int64",
        "rms_dbfs": "float64",
        "snr_db": "float64",
        "silence_share": "float64",
        "clipped_share": "float64",
        "offset": "float64",
        "doubt": "object",
        "sha256": "object",
        "source": "object",
    }
    judged = table[list(kinds)].astype(kinds).where(good)
    judged["class_size"] = table[good].groupby("class_name")["path"].transform("size").astype("Int64")
    judged["classes_of_content"] = table[good].groupby("sha256")["class_name"].transform("nunique").astype("Int64")
    table["copy"] = [*copies] or None
    copied = table[good & table["copy"].notna()].groupby("copy")
    judged["contents_of_copy"] = copied["sha256"].transform("nunique").astype("Int64")
    judged["classes_of_copy"] = copied["class_name"].transform("nunique").astype("Int64")
    judged.loc[judged["contents_of_copy"].fillna(1) == 1, ["contents_of_copy", "classes_of_copy"]] = pd.NA
    judged.insert(0, "path", [html.escape(datadocs.printable(e.path)) for e in entries])  # Data Docs take it as markup
    judged["error"] = [e.error for e in entries]
    judged["class"], judged["group"] = table["class_name"].where(good), table["group"].where(good)
    return judged[list(COLUMNS)]
