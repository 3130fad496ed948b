# SPDX-License-Identifier: Apache-2.0
"""Pictures of the report as SVG text: no library, no script, units on the axes, colours that everybody can tell apart.

Shades run from light yellow to dark blue in equal steps of lightness (after J. R. Nunez et al., Optimizing colormaps with
consideration for color vision deficiency, PLoS ONE 13(7), 2018); kinds differ in hatching or in sign besides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from lamplighter.terms.columns import BoolArray, FloatArray

WIDTH, LEFT, TOP, BOTTOM, RIGHT = 760.0, 64.0, 34.0, 46.0, 26.0
SHADES = ("#fdf4c5", "#ecdc8f", "#c9bb74", "#a69d75", "#848279", "#666870", "#474f6b", "#20386d", "#0b2248")
INK, GREEN_LINE, RED_LINE = "#1a1a1a", "#00695c", "#b3261e"
KINDS = ("#0072b2", "#e69f00", "#999999", "#d55e00")  # M. Okabe and K. Ito, Color Universal Design, 2008


@dataclass(frozen=True)
class Frame:
    """A drawing area: what stands along it, with the value at each end in its unit."""

    title: str
    x_label: str
    y_label: str
    height: int
    x_marks: Sequence[tuple[float, str]]  # share of the width, text
    y_marks: Sequence[tuple[float, str]]  # share of the height from below, text

    @property
    def inner(self) -> tuple[float, float]:
        """Return width and height of what is drawn in."""
        return WIDTH - LEFT - RIGHT, self.height - TOP - BOTTOM

    def at(self, x_share: float, y_share: float) -> tuple[float, float]:
        """Return the place of a point given in shares of width, and of height from below."""
        width, height = self.inner
        return LEFT + x_share * width, TOP + (1 - y_share) * height


def picture(frame: Frame, parts: Sequence[str], said: str) -> str:
    """Return the SVG; `said` is what a screen reader reads in its place."""
    width, height = frame.inner
    left, bottom = frame.at(0, 0)
    spoken = f"{escape(frame.title)}. {escape(said)}"
    lines = [
        f'<svg viewBox="0 0 {WIDTH:.0f} {frame.height}" role="img" tabindex="0" aria-label="{spoken}">',
        f'<title>{escape(frame.title)}</title><text x="{left}" y="18" class="title">{escape(frame.title)}</text>',
        *parts,
        f'<path d="M{left} {TOP}V{bottom}H{left + width}" fill="none" stroke="{INK}"/>',
    ]
    for share, text in frame.x_marks:
        x, y = frame.at(share, 0)
        lines.append(
            f'<path d="M{x:.1f} {y:.1f}v5" stroke="{INK}"/>'
            f'<text x="{x:.1f}" y="{y + 17:.1f}" text-anchor="middle">{escape(text)}</text>'
        )
    for share, text in frame.y_marks:
        x, y = frame.at(0, share)
        lines.append(
            f'<path d="M{x:.1f} {y:.1f}h-5" stroke="{INK}"/>'
            f'<text x="{x - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>'
        )
    middle_x, middle_y = left + width / 2, TOP + height / 2
    lines.append(
        f'<text x="{middle_x:.0f}" y="{frame.height - 8:.0f}" text-anchor="middle" class="axis">{escape(frame.x_label)}</text>'
    )
    turned = f'transform="translate(14 {middle_y:.0f}) rotate(-90)"'
    lines.append(f'<text {turned} text-anchor="middle" class="axis">{escape(frame.y_label)}</text></svg>')
    return "".join(lines)


def shade(share: float) -> str:
    """Return the colour of a share of the highest value."""
    return SHADES[min(int(share * len(SHADES)), len(SHADES) - 1)]


def cells(frame: Frame, value: FloatArray, highest: float) -> list[str]:
    """Return one rectangle per cell above zero of value (columns, rows from below); equal neighbours in a column are one."""
    columns, rows = value.shape
    width, height = frame.inner
    wide, tall = width / max(columns, 1), height / max(rows, 1)
    parts: list[str] = []
    for column in range(columns):
        row = 0
        while row < rows:
            end = row + 1
            if value[column, row] > 0:
                colour = shade(float(value[column, row]) / highest)
                while end < rows and value[column, end] > 0 and shade(float(value[column, end]) / highest) == colour:
                    end += 1
                y = TOP + height - end * tall
                parts.append(
                    f'<rect x="{LEFT + column * wide:.1f}" y="{y:.1f}" width="{wide + 0.3:.1f}" '
                    f'height="{(end - row) * tall + 0.3:.1f}" fill="{colour}"/>'
                )
            row = end
    return parts


def line(frame: Frame, x_share: FloatArray, y_share: FloatArray, present: BoolArray, style: tuple[str, str]) -> str:
    """Return a line through the points that are present, broken where one is not; style: colour, dashes ("" for none)."""
    path: list[str] = []
    pen = "M"
    for x, y, known in zip(x_share.tolist(), y_share.tolist(), present.tolist(), strict=True):
        if not known:
            pen = "M"
            continue
        px, py = frame.at(x, min(max(y, 0.0), 1.0))
        path.append(f"{pen}{px:.1f} {py:.1f}")
        pen = "L"
    colour, dashes = style
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="2.2"{dashed}/>' if path else ""


def dots(frame: Frame, x_share: FloatArray, y_share: FloatArray, present: BoolArray, colour: str) -> list[str]:
    """Return a dot per point that is present, so that a lone point is seen too."""
    places = [
        frame.at(x, min(max(y, 0.0), 1.0)) for x, y in zip(x_share[present].tolist(), y_share[present].tolist(), strict=True)
    ]
    return [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]


def stacks(frame: Frame, value: FloatArray, highest: float) -> list[str]:
    """Return stacked bars of value (columns, kinds), each kind in its colour."""
    columns, kinds = value.shape
    width, height = frame.inner
    wide = width / max(columns, 1)
    parts: list[str] = []
    for column in range(columns):
        y = TOP + height
        for kind in range(kinds):
            tall = float(value[column, kind]) / highest * height if highest else 0.0
            if tall > 0:
                y -= tall
                parts.append(
                    f'<rect x="{LEFT + column * wide + 1:.1f}" y="{y:.1f}" width="{max(wide - 2, 0.6):.1f}" height="{tall:.1f}" '
                    f'fill="{KINDS[kind]}"/>'
                )
    return parts


def key(names: Sequence[str], colours: Sequence[str]) -> str:
    """Return what each colour means."""
    entries = "".join(f'<li><span style="background:{c}"></span>{escape(n)}</li>' for n, c in zip(names, colours, strict=True))
    return f'<ul class="key">{entries}</ul>'


def marks(low: float, high: float, count: int, text: str = "{:.0f}") -> list[tuple[float, str]]:
    """Return evenly spaced marks of an axis."""
    return [(float(n) / count, text.format(low + (high - low) * n / count)) for n in range(count + 1)]


def middles(count: int) -> FloatArray:
    """Return the middles of equal parts of an axis."""
    return (np.arange(count) + 0.5) / max(count, 1)
