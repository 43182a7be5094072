"""Files for OpenSearch: the mapping of an index, its documents as bulk requests, and the query for candidates."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from wav2tok.files import replacing_folder
from wav2tok.search.elsewhere.documents import CANDIDATES, Document, documents, terms
from wav2tok.search.index import Index

MAPPING = "mapping.json"
_AT_ONCE = 20_000
"""Documents in a bulk file: some 20 MB; OpenSearch takes requests of up to 100 MB."""


def mapping(index: Index) -> dict[str, Any]:
    """The body that creates an index for the documents. Its ``_meta`` says which tokenizer made them."""
    about = index.manifest
    return {
        "settings": {
            "index": {"similarity": {"seeds": {"type": "BM25", "k1": 0.0, "b": 0.0}}},
            "analysis": {"analyzer": {"seeds": {"type": "custom", "tokenizer": "whitespace"}}},
        },
        "mappings": {
            "dynamic": "strict",
            "_meta": {"model": about.model, "identity": about.identity, "num_tokens": about.num_tokens},
            "properties": {
                "path": {"type": "keyword"},
                "seconds": {"type": "float"},
                "tokens": {"type": "keyword", "index": False, "doc_values": False},
                "terms": {
                    "type": "text", "analyzer": "seeds", "similarity": "seeds", "index_options": "docs", "norms": False,
                },
            },
        },
    }  # fmt: skip


def query(tokens: np.ndarray, num_tokens: int, size: int = CANDIDATES) -> dict[str, Any]:
    """The body of the search for the candidates of a token string, int [L]; `read` reads the answer."""
    return {
        "size": size,
        "_source": ["path", "seconds", "tokens", "terms"],
        "query": {"match": {"terms": {"query": " ".join(terms(tokens, num_tokens))}}},
    }


def read(answer: Mapping[str, Any]) -> list[Document]:
    """The documents in the answer to a search, in its order."""
    return [Document(**hit["_source"]) for hit in answer["hits"]["hits"]]


def export(index: Index, folder: Path) -> int:
    """Write ``mapping.json`` and ``bulk-00000.ndjson``, ``bulk-00001.ndjson`` and so on.

    A document's id is a digest of its path, so that loading a file again changes nothing.

    Returns:
        The number of documents.

    Raises:
        UserError: ``folder`` holds something else.
    """
    count = 0
    rest = documents(index)
    with replacing_folder(folder, [MAPPING, *(one.name for one in folder.glob("bulk-*.ndjson"))]) as new:
        (new / MAPPING).write_text(json.dumps(mapping(index), indent=1) + "\n", encoding="utf-8")
        for number, some in enumerate(iter(lambda: list(islice(rest, _AT_ONCE)), [])):
            with (new / f"bulk-{number:05d}.ndjson").open("w", encoding="utf-8", newline="\n") as file:
                for one in some:
                    action = {"index": {"_id": _digest(one.path)}}
                    file.write(f"{json.dumps(action)}\n{json.dumps(asdict(one))}\n")
            count += len(some)
    return count


def _digest(path: str) -> str:
    return hashlib.blake2b(path.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
