# SPDX-License-Identifier: Apache-2.0
"""Reactive power of points' inverters against a closed form, the check's refusal, guaranteed power, and margins of voltage."""

import importlib.util
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from lamplighter.services.grid.envelopes.envelope import Bounds, Members
from lamplighter.services.grid.envelopes.radial import Radial, flat, sweep
from lamplighter.services.grid.envelopes.reactive import TAN_MAX, set_points, spread_kvar
from lamplighter.services.grid.hosting.cars import FULL_KW, draw
from lamplighter.services.grid.hosting.check import refereed
from lamplighter.services.grid.hosting.margins import CONFIDENCE, shared_pu, voltage_margins
from lamplighter.services.grid.hosting.night import Night, feeders
from lamplighter.services.grid.hosting.reading import read_case
from lamplighter.services.grid.hosting.run import run
from lamplighter.services.grid.hosting.steered import Asked, Steering
from lamplighter.services.grid.hosting.ways import Now
from lamplighter.services.grid.interlock.reactive import holds
from lamplighter.services.grid.network.estimation.prior import HOME_SIGMA_KW
from lamplighter.services.grid.network.tables import Network
from lamplighter.terms.columns import IntArray

simbench = pytest.mark.skipif(importlib.util.find_spec("simbench") is None, reason="SimBench is not installed")
BAND = (0.95, 1.10)


def street() -> Radial:
    """A source and two cables behind one another, 400 V, 0.1 + 0.04j and 0.2 + 0.08j ohm: per unit of 1 kVA."""
    z = np.array([0.0, 0.1 + 0.04j, 0.2 + 0.08j]) * 1000.0 / 400.0**2
    many = len(z)
    held = np.array([1.0, 0.0, 0.0])
    rating = np.array([np.inf, 200.0, 200.0])
    return Radial(
        np.array([-1, 0, 1]), z, np.ones(many), rating, np.array([False, True, True]), held, np.zeros(many) + 0j, np.zeros(many)
    )


def one_group() -> Members:
    """Four points at the street's end."""
    return Members(np.array([2]), np.array([0]), np.array([2]), np.array([44.0]))


def test_the_least_reactive_power_that_lifts_is_found() -> None:
    """At 28 kW the end is below 0.95 pu; the kvar found bring it there and no further, and are those of the closed form."""
    tree, members, drawn = street(), one_group(), np.array([28.0])
    bounds = Bounds(np.full(3, 1.0), np.full(3, 0.95))
    s = np.array([0.0, 0.0, 28.0 + 0j])
    u, _, _ = sweep(tree, s, flat(tree))
    assert abs(u[2]) < 0.95
    kvar = set_points(tree, np.zeros(3, np.complex128), members, drawn, TAN_MAX * drawn, bounds)
    u, _, _ = sweep(tree, s - 1j * spread_kvar(members, drawn, kvar, 3), flat(tree))
    assert 0.95 <= abs(u[2]) < 0.95 + 5e-4
    # Branch flow of one impedance, solved for what is supplied at this voltage.
    r, x = float(np.real(tree.z_pu).sum()), float(np.imag(tree.z_pu).sum())
    v = abs(u[2])
    a, b = (r**2 + x**2) / v**2, 2.0 * x
    c = v**2 + 2.0 * r * 28.0 + (r**2 + x**2) * 28.0**2 / v**2 - 1.0
    exact = (b - np.sqrt(b**2 - 4.0 * a * c)) / (2.0 * a)
    assert float(kvar[0]) == pytest.approx(exact, rel=1e-3)
    assert (kvar <= TAN_MAX * drawn + 1e-9).all()


def test_no_reactive_power_where_the_band_is_kept() -> None:
    """At 10 kW nothing is asked of the inverters."""
    bounds = Bounds(np.full(3, 1.0), np.full(3, 0.95))
    drawn = np.array([10.0])
    assert not set_points(street(), np.zeros(3, np.complex128), one_group(), drawn, TAN_MAX * drawn, bounds).any()


def test_the_check_refuses_what_does_not_hold() -> None:
    """By its own power flow: too low a voltage, too full a cable, too poor a power factor, and none of them."""
    tree, other = street(), np.zeros(3, np.complex128)
    drawn = np.array([0.0, 0.0, 28.0])
    lifting = np.array([0.0, 0.0, 13.0])
    assert not holds(tree, other, (drawn, np.zeros(3)), BAND, 1.005)
    assert holds(tree, other, (drawn, lifting), BAND, 1.005)
    assert not holds(tree, other, (drawn, 1.1 * lifting), BAND, 1.005)
    assert not holds(tree, other, (drawn, -lifting), BAND, 1.005)
    tight = tree._replace(rating_kva=np.array([np.inf, 30.0, 30.0]))
    assert not holds(tight, other, (drawn, lifting), BAND, 1.005)


def test_the_margin_is_that_of_drawn_deviations() -> None:
    """Deviations drawn and made to add up to nothing, the end's drop taken off: their spread is the margin's."""
    parent, r = np.array([-1, 0, 1, 2, 2]), np.array([0.0, 0.0, 0.01, 0.02, 0.03])
    tree = Radial(
        parent, r + 0j, np.ones(5), np.full(5, 100.0), np.array([False, False, True, True, True]), np.array([1.0, 0, 0, 0, 0]),
        np.zeros(5) + 0j, np.zeros(5),
    )  # fmt: skip
    head = feeders(tree)
    at = np.array([2, 3, 3, 3, 4, 4])
    nothing = np.zeros((1, 5))
    night = Night("street", tree, nothing + 0j, nothing[None], at, np.zeros(5), head, ("",) * 5)
    end = np.array([0, 1, 4, 4, 4])
    dice = np.random.default_rng(1)
    e = HOME_SIGMA_KW * dice.normal(size=(200_000, len(at)))
    e -= e.mean(axis=1, keepdims=True)
    shared = shared_pu(parent, r, np.arange(5))
    drop = e @ shared[at]
    expected = CONFIDENCE * (drop - drop[:, [4]]).std(axis=0)
    assert voltage_margins(night, end)[2:] == pytest.approx(expected[2:], rel=0.01, abs=1e-12)


@cache
def low_source() -> tuple[Night, Network, IntArray]:
    """Return a rural grid whose source holds rated voltage and no more, so that voltage binds."""
    night, network, row_node = read_case("rural2")
    held = np.where(night.tree.source_pu > 0, 1.0, 0.0)
    network = replace(network, sources=replace(network.sources, u_ref_pu=np.ones_like(network.sources.u_ref_pu)))
    return replace(night, tree=night.tree._replace(source_pu=held)), network, row_node


@simbench
def test_more_cars_where_voltage_binds() -> None:
    """220 cars: too many without reactive power, hosted with it, and power-grid-model agrees."""
    night, network, row_node = low_source()
    cars = draw(1, 220, night.connection_row)
    without, _ = run(night, cars, Steering(night, cars).power)
    found, drawn = run(night, cars, Steering(night, cars, Asked(volt_var=True)).power)
    assert not without.hosted
    assert found.hosted
    assert float(np.imag(drawn).min()) < 0.0
    loading, lowest = refereed(night, network, row_node, drawn)
    assert loading <= 1.005
    assert lowest >= 0.95


@simbench
def test_guaranteed_power_goes_to_each_point_first() -> None:
    """Where all fit, each point that wants power has 4.2 kW or what it can use; without the guarantee some wait."""
    night, _, _ = low_source()
    night = replace(night, tree=night.tree._replace(source_pu=1.025 * night.tree.source_pu))
    cars = draw(1, 25, night.connection_row)
    step = 34
    here = (cars.first <= step) & (step < cars.last)
    now = Now(step, here, cars.energy_kwh, night.base_kva[step])
    power = np.real(Steering(night, cars, Asked(floor_kw=4.2)).power(now))
    assert here.sum() > 10
    assert (power[here] >= np.minimum(4.2, now.usable_kw()[here]) - 1e-6).all()
    crowd = draw(1, 120, night.connection_row)
    here = (crowd.first <= step) & (step < crowd.last)
    now = Now(step, here, crowd.energy_kwh, night.base_kva[step])
    plain = np.real(Steering(night, crowd).power(now))
    held = np.real(Steering(night, crowd, Asked(floor_kw=4.2)).power(now))
    assert (held[here] >= 4.2 - 1e-6).sum() > (plain[here] >= 4.2 - 1e-6).sum()
    assert held.max() <= FULL_KW + 1e-9
