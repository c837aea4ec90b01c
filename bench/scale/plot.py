"""Draws the two kinds of charts of docs/scale.md as SVG: lines with logarithmic axes or linear ones, and bars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log, log10

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 30, 50
COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7e22ce")
STYLE = "font-family: sans-serif; font-size: 12px"

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class ChartAxis:
    title: str
    low: float
    high: float
    base: int = 0
    """A logarithmic axis is marked at the powers of its base."""

    def place(self, value: float) -> float:
        """Returns a number between 0 and 1."""
        low, high = self.low, self.high
        if self.base:
            value, low, high = log(max(value, low)), log(low), log(high)
        return (value - low) / (high - low)

    def marks(self) -> list[float]:
        if self.base:
            return [self.low * self.base**power for power in range(round(log(self.high / self.low, self.base)) + 1)]
        step = 10 ** floor(log10((self.high - self.low) / 2))
        step *= 2 if (self.high - self.low) / step > 6 else 1
        return [self.low + step * number for number in range(int((self.high - self.low) / step) + 1)]


def lines(title: str, x: ChartAxis, y: ChartAxis, series: Mapping[str, Points]) -> str:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def at(point: tuple[float, float]) -> tuple[float, float]:
        return LEFT + x.place(point[0]) * (right - LEFT), bottom - y.place(point[1]) * (bottom - TOP)

    drawn = [f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#888"/>']
    for mark in x.marks():
        place = at((mark, y.low))[0]
        drawn += [_text(place, bottom + 16, f"{mark:,g}", "middle")]
    for mark in y.marks():
        place = at((x.low, mark))[1]
        drawn += [
            f'<path d="M{LEFT} {place:.1f}H{right}" stroke="#ddd"/>',
            _text(LEFT - 6, place + 4, f"{mark:,g}", "end"),
        ]
    drawn += [_text((LEFT + right) / 2, HEIGHT - 12, x.title, "middle"), _text(LEFT, TOP - 10, y.title, "start")]
    colours = dict(zip(series, COLOURS, strict=False))
    for name, points in series.items():
        places = [at(point) for point in points]
        path = "L".join(f"{left:.1f} {top:.1f}" for left, top in places)
        drawn.append(f'<path d="M{path}" fill="none" stroke="{colours[name]}" stroke-width="2"/>')
        if len(points) < 20:
            drawn += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colours[name]}"/>' for a, b in places]
    free = HEIGHT  # labels are written from the bottom up, so that none covers another
    for name, points in sorted(series.items(), key=lambda one: one[1][-1][1]):
        free = min(round(at(points[-1])[1]) + 4, free - 16)
        drawn.append(_text(right + 8, free, name, "start", colours[name]))
    return _svg(title, HEIGHT, drawn)


def bars(title: str, rows: Sequence[tuple[str, float]], marks: Mapping[str, float]) -> str:
    """The scale is logarithmic. A mark is a dashed line through all bars."""
    label, top, step = 270, 34, 20
    axis = ChartAxis("", 1, 10 ** ceil(log10(max(value for _, value in rows) * 2)), base=10)
    height = top + step * len(rows) + 20

    def at(value: float) -> float:
        return label + axis.place(value) * (WIDTH - label - 60)

    drawn = []
    for name, value in marks.items():
        drawn += [
            f'<path d="M{at(value):.1f} {top - 8}V{height - 10}" stroke="#888" stroke-dasharray="4 3"/>',
            _text(at(value), top - 14, name, "middle"),
        ]
    for number, (name, value) in enumerate(rows):
        place = top + step * number
        drawn += [
            _text(label - 8, place + 12, name, "end"),
            f'<path d="M{label} {place + 2}H{at(value):.1f}v{step - 6}H{label}z" fill="{COLOURS[0]}"/>',
            _text(at(value) + 4, place + 13, f"{value:,.0f}", "start"),
        ]
    return _svg(title, height, drawn)


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#444") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'


def _svg(title: str, height: float, drawn: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" style="{STYLE}">'
    return "\n".join(
        [head, f"<title>{title}</title>", '<rect width="100%" height="100%" fill="#fff"/>', *drawn, "</svg>\n"]
    )
