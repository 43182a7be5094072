"""An ONNX file taken apart and cut without the package ``onnx``, so that tokenizing needs ONNX Runtime alone.

A file is one message of Protocol Buffers: fields, each with a number, a wire type and a value, which may be a message
again. To keep or drop whole fields, their borders are enough. The numbers are those of ``onnx.proto``, which are fixed.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types: https://protobuf.dev/programming-guides/encoding."""
GRAPH, PROPERTY = 7, 14
"""Fields of ModelProto: the graph, and one entry of the metadata."""
NODE, INITIALIZER, INPUT, OUTPUT, VALUE = 1, 5, 11, 12, 13
"""Fields of GraphProto; the last is the type of an inner value."""
NODE_INPUT, NODE_OUTPUT, NODE_KIND, ATTRIBUTE = 1, 2, 4, 5
"""Fields of NodeProto."""
SUBGRAPH, SUBGRAPHS = 6, 11
"""Fields of AttributeProto: the branches of an If, the body of a Loop."""
KEY, PROPERTY_VALUE = 1, 2
"""Fields of StringStringEntryProto."""
VALUE_NAME, INITIALIZER_NAME = 1, 8
"""The name in ValueInfoProto and in TensorProto."""
FLOATS = b"\x12\x04\x0a\x02\x08\x01"
"""The type of a ValueInfoProto: a tensor of float32 of any shape."""


class Field(NamedTuple):
    """A field of a message: its number, its value, and all of its bytes, with number and length."""

    number: int
    value: memoryview
    whole: memoryview


def fields(message: bytes | memoryview) -> Iterator[Field]:
    """The fields of a message, in their order.

    Raises:
        ValueError: the bytes are no message, or end too early.
    """
    view, at = memoryview(message), 0
    while at < len(view):
        start = at
        tag, at = _varint(view, at)
        kind = tag & 7
        if kind == BYTES:
            size, at = _varint(view, at)
        elif kind == VARINT:
            size = _varint(view, at)[1] - at
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"byte {start} has the unknown wire type {kind}")
        if at + size > len(view):
            raise ValueError(f"the field at byte {start} is cut off")
        yield Field(tag >> 3, view[at : at + size], view[start : at + size])
        at += size


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """The number at a position, seven bits a byte with the lowest first, and the position after it."""
    value = 0
    for count, byte in enumerate(view[at : at + 10]):
        value |= (byte & 127) << (7 * count)
        if byte < 128:
            return value, at + count + 1
    raise ValueError(f"the number at byte {at} is cut off")


def _tagged(number: int, value: bytes) -> bytes:
    """A field of the wire type `BYTES`."""
    return _encoded(number << 3 | BYTES) + _encoded(len(value)) + value


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _text(message: memoryview, number: int) -> str:
    """The string in a field; empty where there is none."""
    return next((str(field.value, "utf-8") for field in fields(message) if field.number == number), "")


def properties(model: bytes) -> dict[str, str]:
    """The metadata of a model.

    Raises:
        ValueError: the bytes are not a model.
    """
    entries = [field.value for field in fields(model) if field.number == PROPERTY]
    return {_text(entry, KEY): _text(entry, PROPERTY_VALUE) for entry in entries}


def cut(model: bytes, *outputs: str, floats: Collection[str] = ()) -> bytes:
    """The part of a model that computes ``outputs``, which may be inner values whose types the graph names.

    Nodes, inputs and initial values that they do not need are dropped, and the other outputs are, too.

    Args:
        floats: outputs that are tensors of float32, whose types the graph need not name.

    Raises:
        ValueError: the bytes are not a model, or a value of such a name has no type.
    """
    return b"".join(
        _tagged(GRAPH, _cut_graph(field.value, outputs, floats)) if field.number == GRAPH else field.whole
        for field in fields(model)
    )


def greatest_similarity(model: bytes) -> str | None:
    """The inner value with the cosine of each step and its nearest codeword, [B, T, 1]; None if there is none.

    It is what `wav2tok.model.codebook.nearest` compares all cosines with, so every graph since that rule has it:
    ``tokens`` is the ArgMax of a Cast of GreaterOrEqual(cosines, ReduceMax(cosines) - TIE).

    Raises:
        ValueError: the bytes are not a model.
    """
    makers: dict[str, tuple[str, set[str]]] = {}
    for part in fields(model):
        if part.number == GRAPH:
            for node in (field.value for field in fields(part.value) if field.number == NODE):
                read, made = _ends(node)
                makers |= dict.fromkeys(made, (_text(node, NODE_KIND), read))
    waiting = ["tokens"]
    while waiting:
        name = waiting.pop()
        kind, read = makers.get(name, ("", set()))
        if kind == "ReduceMax":
            return name
        if kind in ("ArgMax", "Cast", "GreaterOrEqual", "Sub"):
            waiting += read
    return None


def _cut_graph(graph: memoryview, outputs: tuple[str, ...], floats: Collection[str]) -> bytes:
    content = list(fields(graph))
    nodes = [(field.whole, *_ends(field.value)) for field in content if field.number == NODE]
    makers = {name: number for number, (_, _, made) in enumerate(nodes) for name in made}
    wanted, needed, waiting = set(), set(outputs), [*outputs]
    while waiting:
        number = makers.get(waiting.pop())
        if number is not None and number not in wanted:
            wanted.add(number)
            new = nodes[number][1] - needed
            needed |= new
            waiting += new
    kept, kinds = [], {name: _tagged(VALUE_NAME, name.encode()) + FLOATS for name in floats}
    number = -1
    for field in content:
        if field.number == NODE:
            number += 1
            if number in wanted:
                kept.append(field.whole)
        elif field.number in (OUTPUT, VALUE):
            name = _text(field.value, VALUE_NAME)
            if name in outputs:
                kinds[name] = bytes(field.value)
            elif field.number == VALUE and name in needed:
                kept.append(field.whole)
        elif field.number in (INPUT, INITIALIZER):
            if _text(field.value, VALUE_NAME if field.number == INPUT else INITIALIZER_NAME) in needed:
                kept.append(field.whole)
        else:
            kept.append(field.whole)
    for output in outputs:
        if output not in kinds:
            raise ValueError(f"the graph has no value {output} with a type")
    return b"".join([*kept, *(_tagged(OUTPUT, kinds[output]) for output in outputs)])


def _ends(node: memoryview) -> tuple[set[str], set[str]]:
    """The names that a node reads, and those that it makes; what its inner graphs read may be from outside."""
    read, made = set(), set()
    for field in fields(node):
        if field.number == NODE_INPUT:
            read.add(str(field.value, "utf-8"))
        elif field.number == NODE_OUTPUT:
            made.add(str(field.value, "utf-8"))
        elif field.number == ATTRIBUTE:
            read |= set(_inner_names(field.value))
    return read - {""}, made - {""}


def _inner_names(attribute: memoryview) -> Iterable[str]:
    """All names that the nodes of the graphs in an attribute read, and the values that those graphs return."""
    for field in fields(attribute):
        if field.number in (SUBGRAPH, SUBGRAPHS):
            for inner in fields(field.value):
                if inner.number == NODE:
                    yield from _ends(inner.value)[0]
                elif inner.number == OUTPUT:
                    yield _text(inner.value, VALUE_NAME)
