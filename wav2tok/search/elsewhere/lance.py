"""A LanceDB table of an index's recordings, in a folder or on object storage, and the search for candidates in it.

LanceDB's BM25 has a fixed ``k1`` of 1.2 and ``b`` of .75, so it prefers short recordings more than an index does.
"""

from collections.abc import Iterator
from dataclasses import asdict, fields
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from wav2tok.errors import UserError
from wav2tok.search.elsewhere.documents import CANDIDATES, Document, documents, terms
from wav2tok.search.index import Index

if TYPE_CHECKING:
    import pyarrow

TABLE = "recordings"
_AT_ONCE = 20_000


def export(index: Index, place: str) -> int:
    """Write the table ``recordings``, with an index of its terms; one that is there is replaced.

    Args:
        place: a folder, or a URI of object storage such as ``s3://bucket/folder``; LanceDB reads the credentials from
            the environment.

    Returns:
        The number of documents.

    Raises:
        UserError: lancedb is not installed.
    """
    database = _connect(place)
    import pyarrow
    from lancedb.index import FTS

    about = index.manifest
    columns = dict.fromkeys((one.name for one in fields(Document)), pyarrow.string()) | {"seconds": pyarrow.float64()}
    schema = pyarrow.schema(columns, metadata={"model": about.model, "identity": about.identity})
    table = database.create_table(TABLE, _batches(index, schema), schema=schema, mode="overwrite")
    words = FTS(
        base_tokenizer="whitespace", lower_case=False, stem=False, remove_stop_words=False, ascii_folding=False,
        max_token_length=None,
    )  # fmt: skip
    table.create_index("terms", config=words)
    return int(table.count_rows())


def candidates(place: str, tokens: np.ndarray, num_tokens: int, size: int = CANDIDATES) -> list[Document]:
    """The documents that share most terms with a token string, int [L], by BM25.

    Raises:
        UserError: lancedb is not installed.
    """
    table = _connect(place).open_table(TABLE)
    names = [one.name for one in fields(Document)]
    asked = table.search(" ".join(terms(tokens, num_tokens)), query_type="fts", fts_columns="terms")
    rows = asked.limit(size).to_list()
    return [Document(**{name: row[name] for name in names}) for row in rows]


def _batches(index: Index, schema: "pyarrow.Schema") -> "Iterator[pyarrow.RecordBatch]":
    import pyarrow

    rest = documents(index)
    some = list(islice(rest, _AT_ONCE))
    while True:  # LanceDB asks for the first batch, also of an empty table
        yield pyarrow.RecordBatch.from_pylist([asdict(one) for one in some], schema=schema)
        if not (some := list(islice(rest, _AT_ONCE))):
            return


def _connect(place: str) -> Any:
    try:
        import lancedb
    except ModuleNotFoundError:
        raise UserError("a LanceDB table needs lancedb: pip install lancedb", "format") from None
    return lancedb.connect(place)
