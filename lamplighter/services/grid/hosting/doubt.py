# SPDX-License-Identifier: Apache-2.0
"""Whether a feeder's meters fit the model, and where they do not: from sums and meters alone.

Charging moves by known amounts, group by group, so it asks the grid questions: a group's power must show at the meter
of its feeder (else a link box is not as modelled), an end's voltage must fall as the model's cables say (else they are
longer or shorter), and the line phases of a feeder must carry what its connections bring (else some hang elsewhere).
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.envelopes.radial import flat, sweep
from lamplighter.services.grid.hosting.field import State
from lamplighter.services.grid.hosting.grouping import depth_pu, grouped
from lamplighter.services.grid.hosting.night import Night
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray

LINK_BOX = "link box"
MOVED_SHARE = 0.5  # so much of a group's changes missing at its own feeder is a link box
LENGTH_SHARE = 0.08
PHASE_SHARE = 0.08
FAR = (0.65, 1.4)  # no cable is as far from its plan: the end hangs elsewhere


@dataclass(frozen=True)
class Doubt:
    """One doubt: what (link box, cable length, line phase), at which row's node, how sure (standard errors), and the evidence."""

    kind: str
    node: str
    sureness_ratio: float
    evidence: str


class Watch:
    """Gathers what meters say through a night."""

    def __init__(self, night: Night, car_row: IntArray) -> None:
        """Form the groups of the steering."""
        self._night = night
        many = len(night.tree.parent)
        self._members, of_row = grouped(night.tree, np.bincount(car_row, minlength=many).astype(np.float64))
        self._group = of_row[car_row]
        heads = np.unique(night.feeder[night.connection_row])
        self._heads = heads[night.tree.is_line[heads]]
        depth = depth_pu(night.tree.parent, night.tree.z_pu)
        self._end = np.array(
            [max(np.flatnonzero(night.feeder == head), key=lambda r: depth[r]) for head in self._heads], np.int64
        )
        self._drawn: list[FloatArray] = []
        self._through: list[AnyArray] = []
        self._u: list[FloatArray] = []
        self._rows: list[FloatArray] = []
        self._car_row = car_row

    def note(self, step: int, state: State, steered_kw: FloatArray) -> None:
        """Take what meters and groups say of a step; cars enter as sums of groups."""
        groups = len(self._members.attach)
        self._drawn.append(np.bincount(self._group, steered_kw, groups).astype(np.float64))
        self._through.append(state.through_kva[self._heads])
        self._u.append(0.5 * (state.lowest_pu + state.highest_pu)[np.append(self._end, self._night.tree.parent[self._heads])])
        self._rows.append(np.bincount(self._car_row, steered_kw, len(self._night.tree.parent)).astype(np.float64))

    def doubts(self) -> tuple[Doubt, ...]:
        """Return the doubts, the surest first."""
        if len(self._heads) == 0:
            return ()
        found = self._link_boxes() + self._lengths() + self._line_phases()
        return tuple(sorted(found, key=lambda doubt: (doubt.kind != LINK_BOX, -doubt.sureness_ratio)))

    def _link_boxes(self) -> list[Doubt]:
        """Regress changes at every feeder's meter on changes of the groups' power."""
        drawn = np.diff(np.array(self._drawn), axis=0)
        through = np.diff(np.real(np.array(self._through).sum(axis=2)), axis=0)
        moves = np.abs(drawn).sum(axis=1) > 0
        x = drawn[moves]
        if len(x) <= x.shape[1] + 5:
            return []
        weight = 1e-3 * np.eye(x.shape[1]) * max(float((x**2).sum(axis=0).mean()), 1e-9)
        inverse = np.linalg.inv(x.T @ x + weight)
        coefficient = inverse @ x.T @ through[moves]
        residual = through[moves] - x @ coefficient
        spread = np.sqrt((residual**2).mean(axis=0)[None, :] * np.diag(inverse)[:, None])
        feeder_of = np.searchsorted(self._heads, self._night.feeder[self._members.attach])
        names, doubts = self._night.row_id, list[Doubt]()
        for group in range(x.shape[1]):
            own = int(feeder_of[group])
            if own >= len(self._heads) or self._heads[own] != self._night.feeder[self._members.attach[group]]:
                continue
            best = int(np.argmax(coefficient[group]))
            sure = float((coefficient[group, best] - coefficient[group, own]) / max(spread[group, best], 1e-6))
            if best != own and coefficient[group, own] < MOVED_SHARE and coefficient[group, best] > MOVED_SHARE and sure > 4.0:
                text = (
                    f"{coefficient[group, best]:.0%} of what the group there draws shows at feeder {names[self._heads[best]]}, "
                    f"{coefficient[group, own]:.0%} at its own {names[self._heads[own]]}"
                )
                doubts.append(Doubt(LINK_BOX, names[int(self._members.attach[group])], sure, text))
        return doubts

    def _lengths(self) -> list[Doubt]:
        """Compare the voltage drop from busbar to end with that of the model, over all steps."""
        night, tree = self._night, self._night.tree
        u = np.array(self._u)
        measured = u[:, len(self._end) :] - u[:, : len(self._end)]
        through = np.array(self._through).sum(axis=2)
        modelled = np.zeros_like(measured)
        for step, rows in enumerate(self._rows):
            total = np.bincount(night.feeder, weights=rows, minlength=len(rows))
            rest = np.zeros(len(rows), np.complex128)
            rest[self._heads] = through[step] - total[self._heads]
            own, _, settled = sweep(tree, rest[night.feeder] * night.share + rows, flat(tree))
            if settled:
                modelled[step] = np.abs(own[tree.parent[self._heads]]) - np.abs(own[self._end])
        doubts: list[Doubt] = []
        for feeder, head in enumerate(self._heads.tolist()):
            x, y = modelled[:, feeder], measured[:, feeder]
            if float(x.max()) < 0.004:
                continue
            slope = float(x @ y / (x @ x))
            error = float(np.sqrt(((y - slope * x) ** 2).mean() / (x @ x)))
            end = night.row_id[int(self._end[feeder])]
            if abs(slope - 1.0) > LENGTH_SHARE and abs(slope - 1.0) > 4.0 * error:
                text = f"voltage falls {slope:.2f} times as much as the model's cables say, towards {end}"
                far = not FAR[0] <= slope <= FAR[1]
                kind, at = ("link box or cable", int(self._end[feeder])) if far else ("cable length or type", head)
                doubts.append(Doubt(kind, night.row_id[at], abs(slope - 1.0) / max(error, 1e-4), text))
        return doubts

    def _line_phases(self) -> list[Doubt]:
        """Compare each line phase's part of a feeder's power, charging taken out, with the model's count of connections."""
        from lamplighter.services.grid.hosting.field import disordered

        night = self._night
        weight = disordered(night, 0).model_share
        through: FloatArray = np.real(np.array(self._through)).astype(np.float64)
        rows: FloatArray = np.array(self._rows)
        doubts: list[Doubt] = []
        for feeder, head in enumerate(self._heads.tolist()):
            inside = night.feeder == head
            rest = through[:, feeder] - rows[:, inside].sum(axis=1)[:, None] / 3.0
            quiet = np.array([row.sum() for row in rows]) < 1e9
            mean = rest[quiet].mean(axis=0)
            if mean.sum() <= 1.0:
                continue
            part = mean / mean.sum()
            model = (weight[inside] * night.share[inside, None]).sum(axis=0)
            away = part - model
            count = max(int(np.isin(night.connection_row, np.flatnonzero(inside)).sum()), 1)
            sure = float(np.abs(away).max() * np.sqrt(count))
            if float(np.abs(away).max()) > PHASE_SHARE and sure > 0.5:
                worst = int(np.argmax(away))
                text = (
                    f"line phase {worst + 1} carries {part[worst]:.0%} of what is not charging, the model says {model[worst]:.0%}"
                )
                doubts.append(Doubt("line phase", night.row_id[int(head)], sure, text))
        return doubts
