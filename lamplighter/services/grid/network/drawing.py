# SPDX-License-Identifier: Apache-2.0
"""A grid as one SVG picture: a map where its nodes have places, else a diagram by distance from the source.

Loading is told by colour and by width of a line, voltage by the colour of a dot. Colours are steps of cividis (Nunez,
Anderton and Renslow 2018), which reads alike with and without colour blindness and in grey; above the rating a line is
drawn black and dashed, so that no message rests on colour alone.
"""

import math
from dataclasses import dataclass
from html import escape

import numpy as np

from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.tables import Network
from lamplighter.services.grid.network.topology import ends_closed, reach
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray

WIDTH, HEIGHT = 1200.0, 860.0
LEFT, RIGHT, TOP, BOTTOM = 80.0, 250.0, 60.0, 60.0
CIVIDIS = ((0, 32, 77), (44, 62, 107), (85, 91, 109), (123, 122, 120), (165, 156, 116), (211, 193, 100), (255, 234, 70))
VOLTAGE_PU = (0.94, 1.06)
METRES_PER_DEGREE = 111_195.0
TICKS = 6
NAMED_MOST = 60  # nodes; larger grids get no names


@dataclass(frozen=True)
class Picture:
    """What is drawn: places (n,), across and up, in own units, states, and texts."""

    title: str
    subtitle: str
    places: tuple[FloatArray, FloatArray]
    labels: tuple[str, str]
    u_pu: FloatArray
    loading: FloatArray
    from_node: AnyArray
    to_node: AnyArray
    closed: BoolArray
    names: AnyArray
    transformers: int
    square: bool


def picture_of(network: Network, u_pu: FloatArray, loading: FloatArray, subtitle: str) -> Picture:
    """Return the picture of a fused network's state: u_pu (n,), loading (b,) of lines, then transformers."""
    ends = ends_closed(network)
    closed = np.concatenate([ends.line_from & ends.line_to, ends.transformer_from & ends.transformer_to])
    on_map = bool(np.count_nonzero(network.nodes.placed) > len(network.nodes.id) / 2)
    places = _on_map(network) if on_map else _as_tree(network)
    return Picture(
        title=network.name, subtitle=subtitle, places=places,
        labels=("longitude, degrees", "latitude, degrees") if on_map else ("branches from the source", "order of the branches"),
        u_pu=u_pu, loading=loading, from_node=np.concatenate([network.lines.from_node, network.transformers.from_node]),
        to_node=np.concatenate([network.lines.to_node, network.transformers.to_node]), closed=closed, names=network.nodes.id,
        transformers=len(network.transformers.id), square=on_map,
    )  # fmt: skip


def _on_map(network: Network) -> tuple[FloatArray, FloatArray]:
    """Return places in degrees; a node without a place stands at its neighbour towards the source."""
    x, y, placed = network.nodes.lon_deg.copy(), network.nodes.lat_deg.copy(), network.nodes.placed.copy()
    way = reach(network)
    for node in way.order.tolist():
        above = int(way.before[node])
        if not placed[node] and above != ABSENT and placed[above]:
            x[node], y[node], placed[node] = x[above], y[above], True
    middle = float(x[placed].mean()), float(y[placed].mean())
    return np.where(placed, x, middle[0]), np.where(placed, y, middle[1])


def _as_tree(network: Network) -> tuple[FloatArray, FloatArray]:
    """Return steps from the source and the row of each node: leaves on rows of their own, parents amid their children."""
    way, many = reach(network), len(network.nodes.id)
    depth, row = np.zeros(many), np.full(many, np.nan)
    children: dict[int, list[int]] = {}
    for node in way.order.tolist():
        above = int(way.before[node])
        depth[node] = depth[above] + 1.0 if above != ABSENT else 0.0
        children.setdefault(above, []).append(node)
    leaf = 0.0
    waiting = list(reversed(children.get(ABSENT, [])))
    while waiting:
        here = waiting.pop()
        below = children.get(here, [])
        if not below:
            row[here] = leaf
            leaf += 1.0
        waiting.extend(reversed(below))
    for node in way.order[::-1].tolist():
        if children.get(node):
            row[node] = float(np.mean(row[np.array(children[node])]))
    dark = np.isnan(row)
    row[dark] = leaf + np.arange(int(dark.sum()))
    return depth, -row


def _shade(share: float) -> str:
    place = min(max(share, 0.0), 1.0) * (len(CIVIDIS) - 1)
    low = min(int(place), len(CIVIDIS) - 2)
    mixed = [round(a + (place - low) * (b - a)) for a, b in zip(CIVIDIS[low], CIVIDIS[low + 1], strict=True)]
    return f"#{mixed[0]:02x}{mixed[1]:02x}{mixed[2]:02x}"


def _ticks(low: float, high: float) -> list[float]:
    step = (high - low) / TICKS
    size = 10.0 ** math.floor(math.log10(step)) if step > 0 else 1.0
    step = size * next((k for k in (1, 2, 5, 10) if k * size >= step), 10)
    first = math.ceil(low / step)
    return [k * step for k in range(first, math.floor(high / step) + 1)]


class _Frame:
    """From own units to the sheet, both ways alike on a map."""

    def __init__(self, picture: Picture) -> None:
        self.low_x, self.high_x = _padded(picture.places[0])
        self.low_y, self.high_y = _padded(picture.places[1])
        wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        self.scale_x, self.scale_y = wide / (self.high_x - self.low_x), high / (self.high_y - self.low_y)
        if picture.square:
            turn = math.cos(math.radians((self.low_y + self.high_y) / 2.0))
            scale = min(self.scale_x / turn, self.scale_y)
            self.scale_x, self.scale_y = scale * turn, scale
            self.high_x, self.high_y = self.low_x + wide / self.scale_x, self.low_y + high / self.scale_y

    def x(self, value: float) -> float:
        """Return the sheet's horizontal place."""
        return LEFT + (value - self.low_x) * self.scale_x

    def y(self, value: float) -> float:
        """Return the sheet's vertical place."""
        return HEIGHT - BOTTOM - (value - self.low_y) * self.scale_y


def _padded(values: FloatArray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = max((high - low) * 0.04, 1e-5)
    return low - room, high + room


def svg_of(picture: Picture) -> str:
    """Return the picture as SVG text."""
    frame = _Frame(picture)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" font-family="sans-serif" font-size="13">',
        f"<title>{escape(picture.title)}</title>",
        f"<desc>{escape(picture.subtitle)}</desc>",
        f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" fill="#ffffff"/>',
        f'<text x="{LEFT:g}" y="28" font-size="19" font-weight="bold">{escape(picture.title)}</text>',
        f'<text x="{LEFT:g}" y="48" fill="#444444">{escape(picture.subtitle)}</text>',
        *_axes(picture, frame), *_branches(picture, frame), *_dots(picture, frame), *_legend(), "</svg>",
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _axes(picture: Picture, frame: _Frame) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [f'<path d="M{LEFT:g} {TOP:g}V{bottom:g}H{right:g}" fill="none" stroke="#666666"/>']
    for value in _ticks(frame.low_x, frame.high_x):
        x = frame.x(value)
        parts.append(
            f'<path d="M{x:.1f} {bottom:g}v5" stroke="#666666"/>'
            f'<text x="{x:.1f}" y="{bottom + 19:g}" text-anchor="middle">{value:g}</text>'
        )
    for value in _ticks(frame.low_y, frame.high_y) if picture.square else []:
        y = frame.y(value)
        parts.append(
            f'<path d="M{LEFT:g} {y:.1f}h-5" stroke="#666666"/>'
            f'<text x="{LEFT - 8:g}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    middle = (LEFT + right) / 2.0, (TOP + bottom) / 2.0
    parts.append(f'<text x="{middle[0]:g}" y="{bottom + 42:g}" text-anchor="middle">{picture.labels[0]}</text>')
    parts.append(f'<text transform="translate(18 {middle[1]:g}) rotate(-90)" text-anchor="middle">{picture.labels[1]}</text>')
    return parts


def _branches(picture: Picture, frame: _Frame) -> list[str]:
    parts: list[str] = []
    lines = len(picture.from_node) - picture.transformers
    for k in np.argsort(picture.loading, kind="stable").tolist():
        one, other = int(picture.from_node[k]), int(picture.to_node[k])
        path = f'x1="{frame.x(picture.places[0][one]):.1f}" y1="{frame.y(picture.places[1][one]):.1f}"'
        path += f' x2="{frame.x(picture.places[0][other]):.1f}" y2="{frame.y(picture.places[1][other]):.1f}"'
        share = float(picture.loading[k])
        if not picture.closed[k]:
            style = 'stroke="#bbbbbb" stroke-width="1" stroke-dasharray="2 4"'
        elif share > 1.0:
            style = f'stroke="#000000" stroke-width="{4.0 + min(share, 2.0):.1f}" stroke-dasharray="7 3"'
        else:
            style = f'stroke="{_shade(share)}" stroke-width="{1.2 + 3.0 * share:.1f}"'
        kind = "transformer" if k >= lines else "line"
        parts.append(f"<line {path} {style}><title>{kind}, {share:.0%} loaded</title></line>")
    return parts


def _dots(picture: Picture, frame: _Frame) -> list[str]:
    parts: list[str] = []
    low, high = VOLTAGE_PU
    few = len(picture.names) <= NAMED_MOST
    size = 4.0 if few else 2.4
    for k in range(len(picture.names)):
        u = float(picture.u_pu[k])
        dark = u <= 0.0
        fill = "#ffffff" if dark else _shade((u - low) / (high - low))
        told = "no voltage" if dark else f"{u:.4f} pu"
        x, y = frame.x(picture.places[0][k]), frame.y(picture.places[1][k])
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:g}" fill="{fill}" stroke="#222222" stroke-width="0.6">'
            f"<title>{escape(str(picture.names[k]))}: {told}</title></circle>"
        )
        if few:
            parts.append(
                f'<text x="{x + 5:.1f}" y="{y - 5:.1f}" font-size="9" fill="#333333">{escape(str(picture.names[k]))}</text>'
            )
    return parts


def _legend() -> list[str]:
    x, parts = WIDTH - RIGHT + 30.0, list[str]()
    for top, name, low, high, unit in (
        (90.0, "Voltage of a node", *VOLTAGE_PU, "pu"),
        (390.0, "Loading of a branch", 0.0, 1.0, "of its rating"),
    ):
        parts.append(f'<text x="{x:g}" y="{top - 12:g}" font-weight="bold">{name}</text>')
        for k in range(24):
            y = top + 200.0 * (23 - k) / 24.0
            parts.append(f'<rect x="{x:g}" y="{y:.1f}" width="22" height="8.6" fill="{_shade(k / 23.0)}"/>')
        for k in range(5):
            value = low + (high - low) * k / 4.0
            parts.append(
                f'<text x="{x + 30:g}" y="{top + 204.0 - 200.0 * k / 4.0:.1f}">{value:g} {unit if k == 4 else ""}</text>'
            )
    style = 'stroke="#000000" stroke-width="5" stroke-dasharray="7 3"'
    parts.append(f'<path d="M{x:g} 640h50" {style}/><text x="{x + 60:g}" y="645">above its rating</text>')
    parts.append(f'<path d="M{x:g} 668h50" stroke="#bbbbbb" stroke-dasharray="2 4"/><text x="{x + 60:g}" y="673">open</text>')
    parts.append(
        f'<circle cx="{x + 25:g}" cy="696" r="4" fill="#ffffff" stroke="#222222"/><text x="{x + 60:g}" y="701">no voltage</text>'
    )
    return parts
