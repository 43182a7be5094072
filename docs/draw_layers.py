"""Draw the layers of the package from its real imports: ``python docs/draw_layers.py`` writes ``docs/layers.svg``.

The floors are the contract that ``lint-imports`` checks (`pyproject.toml`); the boxes and dots are what is there.
"""

import tomllib
from collections import Counter
from html import escape
from pathlib import Path

import grimp

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = "wav2tok"
PICTURE = PROJECT / "docs" / "layers.svg"

# Sizes in pixels.
WIDTH, MARGIN = 860, 24
BOX_WIDTH, BOX_HEIGHT, GAP = 140, 42, 10
NUMBER = 34
"""Width of the column of layer numbers."""
FLOOR = BOX_HEIGHT + 2 * GAP
CELL = 18
NAMES = 96
"""Width of the names to the left of the matrix, and height of the names above it."""

# The picture brings its own background, so it is readable on any page.
STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .title { font-size: 15px; font-weight: 600; }
  .name { font-weight: 600; }
  .note { font-size: 11px; fill: #59636e; }
  .page { fill: #ffffff; }
  .floor, .band { fill: #f2f5f8; }
  .box { fill: #ffffff; stroke: #8c959f; }
  .grid { stroke: #d1d9e0; }
  .dot { fill: #0969da; }
  .self { fill: #d1d9e0; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .note { fill: #9198a1; }
    .page { fill: #0d1117; }
    .floor, .band { fill: #161b22; }
    .box { fill: #21262d; stroke: #656c76; }
    .grid { stroke: #3d444d; }
    .dot { fill: #4493f8; }
    .self { fill: #3d444d; }
  }"""


def floors() -> list[list[str]]:
    """The packages and single modules of each layer, the highest layer first."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [c for c in settings["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]


def imports() -> tuple[Counter[str], set[tuple[str, str]]]:
    """The number of modules in each package, and which package imports which, inside functions too.

    The root module, which only exports names, is left out.
    """
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    inside = sorted(graph.modules - {PACKAGE})
    owner = {module: module.split(".")[1] for module in inside}
    # A package's `__init__` is not counted, unless it is the whole package.
    sizes = Counter(owner[module] for module in inside if not graph.find_children(module))
    arrows = {
        (owner[module], owner[imported])
        for module in inside
        for imported in graph.find_modules_directly_imported_by(module)
        if imported in owner and owner[module] != owner[imported]
    }
    return sizes, arrows


def text(x: float, y: float, words: str, kind: str, anchor: str = "start", turn: int = 0) -> str:
    """One line of text whose baseline begins, is centred or ends at (x, y)."""
    turned = f' transform="rotate({turn} {x:g} {y:g})"' if turn else ""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}"{turned}>{escape(words)}</text>'


def rectangle(x: float, y: float, width: float, height: float, kind: str, radius: int = 0) -> str:
    """A rectangle whose upper left corner is (x, y)."""
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius}"/>'


def house(layers: list[list[str]], sizes: Counter[str], top: float) -> list[str]:
    """One band per layer with one box per package."""
    lines = []
    room = WIDTH - 2 * MARGIN - NUMBER
    box = min(BOX_WIDTH, room / max(map(len, layers)) - GAP)
    for row, names in enumerate(layers):
        y = top + row * (FLOOR + 4)
        lines.append(rectangle(MARGIN, y, WIDTH - 2 * MARGIN, FLOOR, "floor", 6))
        lines.append(text(MARGIN + 12, y + FLOOR / 2 + 4, str(len(layers) - row), "note"))
        left = MARGIN + NUMBER + (room - len(names) * (box + GAP)) / 2
        for column, name in enumerate(names):
            x = left + column * (box + GAP)
            lines.append(rectangle(x, y + GAP, box, BOX_HEIGHT, "box", 5))
            lines.append(text(x + box / 2, y + GAP + 18, name, "name", "middle"))
            size = "1 module" if sizes[name] == 1 else f"{sizes[name]} modules"
            lines.append(text(x + box / 2, y + GAP + 34, size, "note", "middle"))
    return lines


def matrix(layers: list[list[str]], arrows: set[tuple[str, str]], top: float) -> list[str]:
    """One row and one column per package; a dot where the package of the row imports that of the column."""
    names = [name for layer in layers for name in layer]
    side = CELL * len(names)
    left = (WIDTH - side - NAMES) / 2 + NAMES
    lines = []
    for layer in layers[::2]:  # every other layer is shaded
        begin, size = names.index(layer[0]) * CELL, CELL * len(layer)
        lines.append(rectangle(left - NAMES, top + begin, NAMES + side, size, "band"))
        lines.append(rectangle(left + begin, top - NAMES, size, NAMES, "band"))
    for i, name in enumerate(names):
        middle = i * CELL + CELL / 2
        lines.append(text(left - 8, top + middle + 4, name, "", "end"))
        lines.append(text(left + middle + 4, top - 8, name, "", turn=-90))
        lines.append(rectangle(left + i * CELL, top + i * CELL, CELL, CELL, "self"))
        for j, other in enumerate(names):
            if (name, other) in arrows:
                lines.append(f'<circle class="dot" cx="{left + j * CELL + CELL / 2:g}" cy="{top + middle:g}" r="5"/>')
    for edge in range(len(names) + 1):
        at = edge * CELL
        lines.append(f'<path class="grid" d="M{left:g} {top + at:g}h{side}M{left + at:g} {top:g}v{side}"/>')
    return lines


def draw() -> str:
    """The picture as SVG: the same text for the same imports."""
    layers = floors()
    sizes, arrows = imports()
    below = MARGIN + 44 + len(layers) * (FLOOR + 4) + 32
    height = below + 40 + NAMES + CELL * sum(map(len, layers)) + MARGIN
    body = [
        rectangle(0, 0, WIDTH, height, "page"),
        text(MARGIN, MARGIN + 12, f"The layers of {PACKAGE}", "title"),
        text(MARGIN, MARGIN + 30, "A package imports only from the layers below its own.", "note"),
        *house(layers, sizes, MARGIN + 44),
        text(MARGIN, below, "Who imports whom", "title"),
        text(MARGIN, below + 18, "A dot: the package of the row imports the package of the column.", "note"),
        *matrix(layers, arrows, below + 40 + NAMES),
    ]
    title = f"The layers of {PACKAGE} and the imports between its packages"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{title}">'
    return "\n".join([head, f"<style>{STYLE}\n</style>", *body, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
    print(PICTURE.relative_to(PROJECT))
