"""The page's own drawings, as inline SVG and tables: sharp at any size, legible in the dark, searchable."""

import math
from collections.abc import Mapping

import numpy as np

from wav2tok.evaluation.retrieval.curves import Curve
from wav2tok.evaluation.retrieval.metrics import METRICS
from wav2tok.evaluation.systems import FORMS
from wav2tok.report.gallery import Confusion
from wav2tok.report.page.markup import text
from wav2tok.report.page.tables import HEADINGS

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 340, 220, 30, 18, 10, 36
_COLOURS = 12
_DASHES = ("7 3", "2 3", "9 3 2 3", "4 2", "1 2", "12 4")
_AXES = {"SNR": "signal over babble, dB", "TS": "tempo of the query", "PS": "semitones of the query's shift"}


def _stroke(number: int, name: str) -> str:
    """Colour and dash of a system: ours solid, so that they stand out without colour too."""
    dash = "" if name in FORMS else f' stroke-dasharray="{_DASHES[number % len(_DASHES)]}"'
    first = " first" if name == FORMS[0] else ""
    return f'class="curve{first}" style="stroke:var(--s{number % _COLOURS})"{dash}'


def legend(labels: Mapping[str, str]) -> str:
    """The systems' strokes with their labels."""
    items = "".join(
        f'<li><svg viewBox="0 0 36 10" aria-hidden="true"><path d="M0 5H36" {_stroke(i, name)}/></svg>'
        f"{text(label)}</li>"
        for i, (name, label) in enumerate(labels.items())
    )
    return f'<ul class="legend">{items}</ul>'


def curve(one: Curve, metric: str, labels: Mapping[str, str]) -> str:
    """One metric of every system along one axis; the untouched query of the noise axis stands beyond the last dB."""
    finite = [factor for factor in one.factors if math.isfinite(factor)]
    step = (finite[-1] - finite[0]) / max(len(finite) - 1, 1) or 1.0
    at = [factor if math.isfinite(factor) else finite[-1] + step for factor in one.factors]
    across, down = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    span = (at[-1] - at[0]) or 1.0
    x = [_LEFT + across * ((value - at[0]) / span if len(at) > 1 else 0.5) for value in at]
    parts = []
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        y = _TOP + down * (1 - tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{tick:.1f}</text>')
    for place, factor in zip(x, one.factors, strict=True):
        name = f"{factor:g}" if math.isfinite(factor) else "clean"
        parts.append(f'<path class="axis" d="M{place:.1f} {_TOP + down}v4"/>')
        parts.append(f'<text x="{place:.1f}" y="{_TOP + down + 15}" text-anchor="middle">{name}</text>')
    parts.append(f'<text x="{_LEFT + across / 2}" y="{_HEIGHT - 4}" text-anchor="middle">{_AXES[one.kind]}</text>')
    column = list(METRICS).index(metric)
    for number, (name, label) in reversed(list(enumerate(labels.items()))):  # ours last, on top
        if name not in one.scores:
            continue
        points = [
            (place, _TOP + down * (1 - value)) for place, value in zip(x, one.scores[name][:, column], strict=True)
        ]
        line = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        dots = "".join(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="2.4"/>' for px, py in points)
        parts.append(
            f'<g><title>{text(label)}</title><polyline points="{line}" {_stroke(number, name)}/>'
            f'<g style="fill:var(--s{number % _COLOURS})">{dots}</g></g>'
        )
    title = f"{HEADINGS[metric]}, {_AXES[one.kind]}"
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}</svg>'
        f"<figcaption>{title}; {one.queries} queries a point</figcaption></figure>"
    )


def usage(counts: np.ndarray) -> str:
    """Share of the strings by token, the commonest first, beside an even use of them all. counts: int [K]."""
    shares = np.sort(counts)[::-1] / max(counts.sum(), 1)
    across, down = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    top = max(float(shares[0]), 1 / len(shares)) * 1.05
    y = [_TOP + down * (1 - share / top) for share in shares]
    outline = "".join(f"V{value:.1f}H{_LEFT + across * (i + 1) / len(shares):.1f}" for i, value in enumerate(y))
    even = _TOP + down * (1 - 1 / len(shares) / top)
    ticks = "".join(
        f'<path class="grid" d="M{_LEFT} {_TOP + down * (1 - tick):.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text x="{_LEFT - 5}" y="{_TOP + down * (1 - tick) + 4:.1f}" text-anchor="end">{100 * tick * top:.1f}</text>'
        for tick in (0, 0.5, 1)
    )
    title = "Share of all tokens in %, the commonest first"
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">{ticks}'
        f'<path class="share" d="M{_LEFT} {_TOP + down}{outline}V{_TOP + down}Z"/>'
        f'<path class="even" d="M{_LEFT} {even:.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text x="{_LEFT}" y="{_TOP + down + 15}">1</text>'
        f'<text x="{_WIDTH - _RIGHT}" y="{_TOP + down + 15}" text-anchor="end">{len(shares)}</text>'
        f'<text x="{_LEFT + across / 2}" y="{_HEIGHT - 4}" text-anchor="middle">token, by frequency</text>'
        f"</svg><figcaption>{title}; dashed: all used alike</figcaption></figure>"
    )


def heat_map(found: Confusion) -> str:
    """Which class the nearest answer has, a row a query's class, in per cent of the row."""
    head = "".join(f'<th scope="col" title="{text(name)}"><span>{text(name)}</span></th>' for name in found.columns)
    lines = []
    for i, name in enumerate(found.rows):
        cells = [_shade(found, i, j) for j in range(len(found.columns))]
        lines.append(f'<tr><th scope="row" title="{text(name)}">{text(name)}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="box"><table class="heat"><thead><tr><td></td>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(lines)
        + "\n</tbody></table></div>"
    )


def _shade(found: Confusion, row: int, column: int) -> str:
    count, share = int(found.counts[row, column]), float(found.shares[row, column])
    names = " ".join((["full"] if share > 0.75 else []) + (["right"] if row == column else []))
    classes = f' class="{names}"' if names else ""
    if not count:
        return f"<td{classes}></td>"
    told = f"{found.rows[row]}, answered with {found.columns[column]}: {count} of {int(found.counts[row].sum())}"
    return f'<td{classes} style="--v:{share:.2f}" title="{text(told)}">{100 * share:.0f}</td>'
