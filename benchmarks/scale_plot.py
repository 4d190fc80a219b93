"""A small picture of measurements, as SVG that any page shows, by day and by night."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np

_WIDTH, _HEIGHT = 440, 260  # of a panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 20, 56, 44
_COLOURS = ("#3b7dd8", "#d9822b")  # told apart on light and dark, and by the colour-blind
_STEPS = (1, 2, 2.5, 5, 10)
_TICKS = 5

_STYLE = """\
<style>
text { font: 12px system-ui, sans-serif; fill: #444 }
.title { font-weight: 600 }
.grid { stroke: #8884; stroke-width: 1 }
@media (prefers-color-scheme: dark) { text { fill: #bbb } }
</style>"""


@dataclass(frozen=True, slots=True)
class Line:
    """Measurements in a row: `y` over `x`, both from 0 up."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines that share their axes."""

    title: str
    lines: Sequence[Line]


def drawn(panels: Sequence[Panel], *, below: str) -> str:
    """Return the panels side by side.

    Parameters
    ----------
    below : what the horizontal axes count
    """
    width = _WIDTH * len(panels)
    said = "; ".join(f"{p.title}: {_words(p)}" for p in panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" role="img">',
        f"<title>{escape(said)}</title>",
        _STYLE,
    ]
    for place, panel in enumerate(panels):
        parts += [f'<g transform="translate({place * _WIDTH} 0)">', *_panel(panel, below), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def ticks(highest: float) -> list[float]:
    """Return round numbers from 0 to the first one that is not below.

    >>> ticks(7.1)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    power = 10.0 ** np.floor(np.log10(highest / _TICKS))
    step = next(power * each for each in _STEPS if power * each * _TICKS >= highest)
    count = int(np.ceil(highest / step))
    return [float(step * place) for place in range(count + 1)]


def _words(panel: Panel) -> str:
    return ", ".join(
        f"{line.name} {' '.join(f'{value:.4g}' for value in line.y)}" for line in panel.lines
    )


def _panel(panel: Panel, below: str) -> Iterator[str]:
    across = ticks(max(x for line in panel.lines for x in line.x))
    up = ticks(max(y for line in panel.lines for y in line.y))

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + x / across[-1] * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - y / up[-1] * (_HEIGHT - _TOP - _BOTTOM),
        )

    yield f'<text class="title" x="{_LEFT}" y="18">{escape(panel.title)}</text>'
    for y in up:
        left, height = at(0, y)
        right, _ = at(across[-1], y)
        yield f'<path class="grid" d="M{left:.1f} {height:.1f}H{right:.1f}"/>'
        yield f'<text x="{left - 6:.1f}" y="{height + 4:.1f}" text-anchor="end">{y:,g}</text>'
    for x in across:
        left, base = at(x, 0)
        yield f'<text x="{left:.1f}" y="{base + 18:.1f}" text-anchor="middle">{x:g}</text>'
    yield (
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">'
        f"{escape(below)}</text>"
    )
    for place, (line, colour) in enumerate(zip(panel.lines, _COLOURS, strict=False)):
        points = [at(x, y) for x, y in zip(line.x, line.y, strict=True)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points
        )
        start = _LEFT + place * (_WIDTH - _LEFT - _RIGHT) / 2
        yield f'<circle cx="{start + 4:.1f}" cy="34" r="4" fill="{colour}"/>'
        yield f'<text x="{start + 12:.1f}" y="38">{escape(line.name)}</text>'
