# SPDX-License-Identifier: Apache-2.0
"""Likely faults of the model, ranked by evidence: each is a change of what meters should see, held against what they do.

Evidence is the logarithm of a Bayes factor under Gaussian errors (Kass and Raftery 1995): b^2 / 2 (a + 1/t^2) - ln(1 + a t^2) / 2
with a = g' S^-1 g, b = g' S^-1 v, for a change g of unknown size with spread t. The strongest is taken, what it explains is
subtracted, and the rest judged again.
"""

from dataclasses import dataclass, replace

import numpy as np

from lamplighter.services.grid.network.doubt.counts import STEP_NOISE_KW, Area, lasting_covariance, responses, seen_by_meters
from lamplighter.services.grid.network.doubt.threephase import U_SIGMA_PU
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.tables import Network
from lamplighter.services.grid.network.topology import Feeders, reach
from lamplighter.terms.columns import FloatArray, IntArray

LINE_PHASE, LINK_CLOSED, LINK_OPEN, CABLE = range(4)
KINDS = ("customers on another line phase", "link box closed", "link box open", "cable")
CABLE_SPREAD = 0.6  # of the logarithm of a cable's impedance, where a type may be wrong
EVIDENCE_LEAST = 2.0  # a Bayes factor of seven
MOST = 10
MEMORY_STEPS = 8  # quarters of an hour over which deviations are alike: a week has 84 that count
SCALES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
TYPES_FROM = 0.25  # a factor beyond exp(+-0.25) is a type rather than a length


@dataclass(frozen=True)
class Doubt:
    """One likely fault. element: node (LINE_PHASE) or line (else); from_phase, to_phase: 1 to 3, 0 where it does not apply;
    value: homes moved, or the factor on a cable's impedance; evidence_ratio: logarithm of the Bayes factor; meters:
    nodes of the meters that speak for it most (ABSENT is the station's own)."""

    kind: int
    station: int
    element: int
    from_phase: int
    to_phase: int
    value: float
    evidence_ratio: float
    meters: tuple[int, ...]


@dataclass(frozen=True)
class _Candidates:
    """Changes (c, m) of what meters see, their spread (c,), 0 for those of known size; and what each is."""

    change_ratio: FloatArray
    spread_ratio: FloatArray
    kind: IntArray
    element: IntArray
    line_phases: IntArray
    scatter_ratio: FloatArray


def _scatter_likelihood(area: Area, response: FloatArray) -> float:
    """Return the logarithm of the likelihood of the end meters' scatter in a topology, at its best scale of homes' spread and
    of a spread common to all. A closed link box makes two ends rise and fall together, whatever their means."""
    spread = STEP_NOISE_KW**2 * area.homes_count.mean(axis=1) + (STEP_NOISE_KW * area.other_count.mean(axis=1)) ** 2
    rows = response[0, area.ends]
    own, together = (rows * spread) @ rows.T, np.outer(rows @ area.homes_count.mean(axis=1), rows @ area.homes_count.mean(axis=1))
    # The busbar's own meter stands in every drop, so its error is common to all.
    noise = U_SIGMA_PU**2 * (np.eye(len(area.ends)) + 1.0)
    best = -np.inf
    for scale in SCALES:
        for common in (0.0, 0.003, 0.01, 0.03):
            covariance: FloatArray = noise + scale * own + common * together
            _, logarithm = np.linalg.slogdet(covariance)
            away = np.trace(np.linalg.solve(covariance, area.scatter_pu))
            best = max(best, -float(logarithm) - float(away))
    return 0.5 * 3.0 * area.steps / MEMORY_STEPS * best


def _candidates(network: Network, area: Area, root: int, open_links: IntArray) -> tuple[_Candidates, FloatArray]:
    scale = np.ones(len(area.branch))
    response = responses(network, area.nodes, root, area.branch, scale)
    counts = area.homes_count + area.other_count
    base = seen_by_meters(response, area.ends, counts)
    as_drawn, scatter = _scatter_likelihood(area, response), list[float]()
    change: list[FloatArray] = []
    facts: list[tuple[float, int, int, int]] = []
    for node in np.flatnonzero(area.homes_count.sum(axis=1) > 0).tolist():
        for one in range(3):
            for other in range(3):
                if one != other and area.homes_count[node, one] > 0:
                    moved = np.zeros_like(area.homes_count)
                    moved[node, one], moved[node, other] = -1.0, 1.0
                    change.append(seen_by_meters(response, area.ends, moved))
                    scatter.append(0.0)
                    most = max(float(area.homes_count[node, one]), 1.0)
                    facts.append((most, LINE_PHASE, int(area.nodes[node]), 4 * (one + 1) + other + 1))
    for box in open_links.tolist():
        more = np.append(area.branch, box)
        closed = responses(network, area.nodes, root, more, np.ones(len(more)))
        change.append(seen_by_meters(closed, area.ends, counts) - base)
        scatter.append(_scatter_likelihood(area, closed) - as_drawn)
        facts.append((0.0, LINK_CLOSED, box, 0))
    for k in np.flatnonzero(reach(network).ring[area.branch]).tolist():
        fewer = np.delete(area.branch, k)
        opened = responses(network, area.nodes, root, fewer, np.ones(len(fewer)))
        change.append(seen_by_meters(opened, area.ends, counts) - base)
        scatter.append(_scatter_likelihood(area, opened) - as_drawn)
        facts.append((0.0, LINK_OPEN, int(area.branch[k]), 0))
    for k in range(len(area.branch)):
        bent = scale.copy()
        bent[k] = 1.05
        step = seen_by_meters(responses(network, area.nodes, root, area.branch, bent), area.ends, counts) - base
        change.append(step / np.log(1.05))
        scatter.append(0.0)
        facts.append((CABLE_SPREAD, CABLE, int(area.branch[k]), 0))
    columns = list(zip(*facts, strict=True))
    found = _Candidates(
        np.array(change), np.array(columns[0], np.float64), np.array(columns[1], np.int64), np.array(columns[2], np.int64),
        np.array(columns[3], np.int64), np.array(scatter),
    )  # fmt: skip
    return found, response


def _evidence(candidates: _Candidates, inverse: FloatArray, gap: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return each candidate's evidence (c,) and most likely size (c,)."""
    weighted = candidates.change_ratio @ inverse
    a: FloatArray = np.einsum("cm,cm->c", weighted, candidates.change_ratio)
    b: FloatArray = weighted @ gap
    known = candidates.spread_ratio == 0.0
    wide = np.where(known, 1.0, candidates.spread_ratio) ** 2
    size = np.where(known, 1.0, b / (a + 1.0 / wide))
    free = 0.5 * b**2 / (a + 1.0 / wide) - 0.5 * np.log1p(a * wide)
    evidence: FloatArray = np.where(known, b - 0.5 * a + candidates.scatter_ratio, free)
    # Homes cannot be moved back from where none were taken, nor can more move than there are.
    turned = (candidates.kind == LINE_PHASE) & ((size <= 0.3) | (size > 1.6 * candidates.spread_ratio + 0.5))
    return np.where(turned, -np.inf, evidence), size


def doubts_of(network: Network, feeders: Feeders, areas: list[Area]) -> list[Doubt]:
    """Return the likely faults of all stations' models, strongest evidence first."""
    lines, found = network.lines, list[Doubt]()
    for area in areas:
        root = int(np.searchsorted(area.nodes, int(feeders.station_busbar[area.station])))
        inside = np.isin(lines.from_node, area.nodes) & np.isin(lines.to_node, area.nodes)
        inside[area.branch] = False
        candidates, response = _candidates(network, area, root, np.flatnonzero(inside))
        covariance = lasting_covariance(response, area) + np.diag(area.noise_count)
        inverse = np.asarray(np.linalg.inv(covariance + 1e-9 * np.diag(np.diag(covariance))), np.float64)
        gap = area.seen_count.copy()
        for _ in range(MOST):
            evidence, size = _evidence(candidates, inverse, gap)
            best = int(np.argmax(evidence))
            if evidence[best] < EVIDENCE_LEAST:
                break
            explained = candidates.change_ratio[best] * size[best]
            found.append(_told(candidates, best, (float(evidence[best]), float(size[best])), area, inverse @ gap * explained))
            gap = gap - explained
            if candidates.kind[best] in (
                LINK_CLOSED,
                LINK_OPEN,
            ):  # the scatter was told by this one; others are judged by means alone
                candidates = replace(candidates, scatter_ratio=np.zeros_like(candidates.scatter_ratio))
                candidates.change_ratio[best] = 0.0
    return sorted(found, key=lambda doubt: -doubt.evidence_ratio)


def expected_evidence(
    network: Network, feeders: Feeders, areas: list[Area], known: list[tuple[int, int, int, float]]
) -> list[float]:
    """Return the evidence that each known fault (kind, element, 4 * from + to line phase, size) should give on average: what
    lies under EVIDENCE_LEAST no reading of these meters can tell."""
    found = [0.0] * len(known)
    lines = network.lines
    for area in areas:
        root = int(np.searchsorted(area.nodes, int(feeders.station_busbar[area.station])))
        inside = np.isin(lines.from_node, area.nodes) & np.isin(lines.to_node, area.nodes)
        inside[area.branch] = False
        candidates, response = _candidates(network, area, root, np.flatnonzero(inside))
        inverse = np.linalg.inv(lasting_covariance(response, area) + np.diag(area.noise_count + 1e-12))
        strength = np.einsum("cm,mk,ck->c", candidates.change_ratio, inverse, candidates.change_ratio)
        for k, (kind, element, line_phases, size) in enumerate(known):
            same = (candidates.kind == kind) & (candidates.element == element)
            at = np.flatnonzero(same & (candidates.line_phases == line_phases))
            if len(at):
                found[k] = 0.5 * size**2 * float(strength[at[0]])
    return found


def _told(candidates: _Candidates, best: int, figures: tuple[float, float], area: Area, spoken: FloatArray) -> Doubt:
    kind, line_phases = int(candidates.kind[best]), int(candidates.line_phases[best])
    ends = len(area.ends)
    of_meter = np.array([spoken[:3].sum(), *(spoken[3 + k :: ends].sum() for k in range(ends))])
    loudest = np.argsort(-of_meter)[:2]
    meters = tuple(ABSENT if k == 0 else int(area.nodes[area.ends[k - 1]]) for k in loudest.tolist())
    size = float(np.exp(figures[1])) if kind == CABLE else figures[1]
    return Doubt(kind, area.station, int(candidates.element[best]), line_phases // 4, line_phases % 4, size, figures[0], meters)
