"""Learning curves as a small SVG: a mean line and a band for each series, logarithmic x."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 860, 470
LEFT, RIGHT, TOP, BOTTOM = 66, 170, 52, 58
GRID, INK = "#dddddd", "#333333"
LABEL_GAP = 16.0


@dataclass(frozen=True)
class Curve:
    """One series; ``x`` ascending and positive, ``low`` <= ``mean`` <= ``high`` at each."""

    label: str
    colour: str
    x: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True)
class Level:
    """A horizontal line: what something that does not learn reaches."""

    label: str
    y: float


@dataclass(frozen=True)
class Picture:
    """The words around the curves."""

    title: str
    x_label: str
    y_label: str
    note: str


def curves_svg(picture: Picture, curves: Sequence[Curve], levels: Sequence[Level] = ()) -> str:
    """The picture as the text of an SVG file.

    Raises:
        ValueError: No curve, or one without points or with an x that is not above 0.
    """
    if not curves or any(len(c.x) == 0 or min(c.x) <= 0.0 for c in curves):
        raise ValueError("curves_svg needs curves with points, every x above 0")
    lows = [v for c in curves for v in c.low] + [level.y for level in levels]
    highs = [v for c in curves for v in c.high] + [level.y for level in levels]
    frame = _Frame(
        log10(min(min(c.x) for c in curves)), log10(max(max(c.x) for c in curves)),
        *_padded(min(lows), max(highs)),
    )  # fmt: skip
    labels = [(frame.y(c.mean[-1]), c.label, c.colour) for c in curves]
    labels += [(frame.y(level.y), level.label, INK) for level in levels]
    body = [
        *_grid(frame, picture),
        *(_band(frame, c) for c in curves),
        *(_flat(frame, level) for level in levels),
        *(_line(frame, c) for c in curves),
        *_end_labels(labels),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13" role="img">\n'
        f"<title>{escape(picture.title)}</title>\n<desc>{escape(picture.note)}</desc>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


@dataclass(frozen=True)
class _Frame:
    x0: float
    x1: float
    y0: float
    y1: float

    def x(self, value: float) -> float:
        share = (log10(value) - self.x0) / max(1e-9, self.x1 - self.x0)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.y0) / (self.y1 - self.y0)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _padded(low: float, high: float) -> tuple[float, float]:
    room = 0.05 * (high - low) or 1.0
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    raw = (high - low) / 6.0
    unit = 10.0 ** floor(log10(raw))
    step = next(unit * m for m in (1.0, 2.0, 5.0, 10.0) if raw <= unit * m)
    return [k * step for k in range(ceil(low / step), floor(high / step) + 1)]


def _grid(frame: _Frame, picture: Picture) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    out = [
        _text(LEFT, 20, picture.title, "start", INK, ' font-size="15" font-weight="bold"'),
        _text(LEFT, 38, picture.note, "start", "#666666", ' font-size="12"'),
        _text((LEFT + right) / 2, HEIGHT - 14, picture.x_label, "middle", INK),
        _text(
            18, (TOP + bottom) / 2, picture.y_label, "middle", INK,
            f' transform="rotate(-90 18 {(TOP + bottom) / 2:.0f})"',
        ),
    ]  # fmt: skip
    for tick in _ticks(frame.y0, frame.y1):
        y = frame.y(tick)
        out.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="{GRID}"/>')
        out.append(_text(LEFT - 8, y + 4, f"{tick:g}", "end", INK))
    for power in range(ceil(frame.x0), floor(frame.x1) + 1):
        x = frame.x(10.0**power)
        out.append(f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="{GRID}"/>')
        out.append(_text(x, bottom + 20, f"{10**power:,}", "middle", INK))
    return out


def _points(frame: _Frame, xs: Sequence[float], ys: Sequence[float]) -> list[str]:
    return [f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in zip(xs, ys, strict=True)]


def _band(frame: _Frame, c: Curve) -> str:
    there, back = _points(frame, c.x, c.high), _points(frame, c.x, c.low)[::-1]
    return f'<polygon points="{" ".join(there + back)}" fill="{c.colour}" fill-opacity="0.13"/>'


def _line(frame: _Frame, c: Curve) -> str:
    points = _points(frame, c.x, c.mean)
    dots = "".join(
        f'<circle cx="{p.split(",")[0]}" cy="{p.split(",")[1]}" r="3" fill="{c.colour}"/>'
        for p in points
    )
    drawn = f'fill="none" stroke="{c.colour}" stroke-width="2.2" stroke-linejoin="round"'
    return f'<polyline points="{" ".join(points)}" {drawn}/>{dots}'


def _flat(frame: _Frame, level: Level) -> str:
    y = frame.y(level.y)
    return f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{INK}" stroke-dasharray="5 4"/>'


def _end_labels(labels: list[tuple[float, str, str]]) -> list[str]:
    """Names at the right ends of their lines, pushed apart where they would overlap."""
    out, lowest = [], -1e9
    for y, label, colour in sorted(labels):
        lowest = max(y + 4.0, lowest + LABEL_GAP)
        out.append(_text(WIDTH - RIGHT + 10, lowest, label, "start", colour))
    return out


def _text(x: float, y: float, words: str, anchor: str, colour: str, more: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{more}>'
        f"{escape(words)}</text>"
    )
