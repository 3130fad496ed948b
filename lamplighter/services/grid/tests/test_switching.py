# SPDX-License-Identifier: Apache-2.0
"""Reconfiguration and restoration against complete enumeration, and switching sheets against the power flow engine."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.services.grid.commands.reconfigure import command as reconfigure_command
from lamplighter.services.grid.commands.restore import command as restore_command
from lamplighter.services.grid.network.model import GridError
from lamplighter.services.grid.network.tables import LineTable, LoadTable, Network, NodeTable
from lamplighter.services.grid.switching.case import Case, case_of, published, read_case
from lamplighter.services.grid.switching.checking import Limits, keeps, quick, solved
from lamplighter.services.grid.switching.least_loss import checked, checked_loss, reconfigure
from lamplighter.services.grid.switching.radial import loss_of, neighbours
from lamplighter.services.grid.switching.restoration import CLASSES, Restoration, restore
from lamplighter.services.grid.switching.sequence import fault_steps, way_to

LIMITS = Limits()


def drawn(seed: int, nodes: int, ties: int, kw: float) -> Case:
    """Return a random network of 10 kV: a tree and so many more lines, loads up to kw."""
    dice = np.random.default_rng(seed)
    pairs = [(int(dice.integers(0, k)), k) for k in range(1, nodes)]
    others = [pair for pair in itertools.combinations(range(nodes), 2) if pair not in pairs]
    pairs += [others[k] for k in dice.permutation(len(others))[:ties]]
    many, shape = len(pairs), published("33")
    tail, head = (np.array([pair[end] for pair in pairs], np.int64) for end in (0, 1))
    zero = np.zeros(many)
    r_ohm, x_ohm = dice.uniform(0.05, 1.5, many), dice.uniform(0.05, 1.0, many)
    p_kw = dice.uniform(0.0, kw, nodes) * (dice.random(nodes) < 0.8)
    names = np.array([str(k + 1) for k in range(nodes)])
    line_id = np.array([str(k + 1) for k in range(many)])
    lines = LineTable(
        line_id, tail, head, np.arange(many) < nodes - 1, zero, r_ohm, x_ohm, zero, zero, r_ohm, x_ohm, zero,
        np.full(many, np.inf), np.full(many, "", np.str_),
    )  # fmt: skip
    loads = LoadTable(
        names, np.arange(nodes), p_kw, p_kw * dice.uniform(0.0, 0.9, nodes), np.zeros(nodes), np.zeros(nodes, np.int64),
        np.zeros(nodes, np.int64), np.full(nodes, "", np.str_),
    )  # fmt: skip
    node = NodeTable(names, np.full(nodes, 10e3), np.zeros(nodes), np.zeros(nodes), np.zeros(nodes, np.bool_))
    network: Network = replace(shape, name="drawn", nodes=node, lines=lines, loads=loads)
    return case_of(network)


def trees(case: Case) -> list[np.ndarray[Any, Any]]:
    """Return every way to close as many branches as a tree has."""
    many, closed = len(case.branch_id), len(case.node_id) - 1
    found = []
    for kept in itertools.combinations(range(many), closed):
        mask = np.zeros(many, np.bool_)
        mask[list(kept)] = True
        found.append(mask)
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 8), st.integers(1, 4), st.sampled_from([50.0, 400.0, 1500.0]))
def test_the_proof_agrees_with_all_trees(seed: int, nodes: int, ties: int, kw: float) -> None:
    case = drawn(seed, nodes, ties, kw)
    losses = [loss for closed in trees(case) if (loss := loss_of(case.net, closed)[0]) >= 0.0]
    if not losses:
        with pytest.raises(GridError, match="no operating point"):
            reconfigure(case)
        return
    try:
        found = reconfigure(case)
    except GridError:  # a first tree that is overloaded; others need not be
        return
    assert found.loss_kw == pytest.approx(min(losses), rel=1e-9, abs=1e-9)
    assert found.bound_kw == pytest.approx(found.loss_kw, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("number", "before_kw", "least_kw", "opened"),
    [("33", 202.6771, 139.5513, [7, 9, 14, 32, 37]), ("69", 224.9917, 98.6046, None), ("136", 320.3642, 280.1932, None)],
)
def test_published_networks(number: str, before_kw: float, least_kw: float, opened: list[int] | None) -> None:
    case = read_case(number)
    found = reconfigure(case)
    assert found.before_kw == pytest.approx(before_kw, abs=1e-4)
    assert found.loss_kw == pytest.approx(least_kw, abs=1e-4)
    assert found.gap_share == 0.0
    assert found.checked_kw == pytest.approx(found.loss_kw, abs=1e-6), "power-grid-model disagrees with the sweeps"
    assert opened is None or case.named((~found.closed).nonzero()[0]) == opened


def test_a_search_cut_short_says_what_it_has_proved() -> None:
    found = reconfigure(read_case("119"), 2000)
    assert found.bound_kw is not None
    assert found.gap_share is not None
    assert 0.0 < found.gap_share < 0.2
    assert found.bound_kw <= 869.7300
    assert any("Stopped after" in note for note in found.notes)


def test_lines_without_a_switch_stay_as_they_are() -> None:
    case = read_case("33")
    fixed = case.may_switch.copy()
    fixed[[6, 8]] = False
    found = reconfigure(replace(case, may_switch=fixed))
    assert found.closed[[6, 8]].all()
    assert 139.5514 < found.loss_kw < 202.0
    closed = [
        mask for out in itertools.combinations(range(37), 5) if not {6, 8} & set(out) and (mask := opened_at(out)) is not None
    ]
    best = min(loss for mask in closed if (loss := loss_of(case.net, mask)[0]) >= 0.0)
    assert found.loss_kw == pytest.approx(best, rel=1e-9)


def opened_at(out: tuple[int, ...]) -> np.ndarray[Any, Any] | None:
    """Return the configuration with these branches open, nothing where the first tie stays open beside none of its loop."""
    mask = np.ones(37, np.bool_)
    mask[list(out)] = False
    return mask


def test_generation_is_told_to_have_no_proof() -> None:
    case = read_case("33")
    p_kw = case.net.p_kw.copy()
    p_kw[5] = -300.0
    found = reconfigure(replace(case, net=case.net._replace(p_kw=p_kw)))
    assert found.bound_kw is None
    assert found.gap_share is None
    assert any("feeds in" in note for note in found.notes)


def subtrees_best(case: Case, fault: int, dark: np.ndarray[Any, Any]) -> float:
    """Return the most demand that any tree with the source and all that kept its supply can supply again."""
    best, many = 0.0, len(case.branch_id)
    usable = [e for e in range(many) if e != fault]
    for count in range(len(case.node_id)):
        for kept in itertools.combinations(usable, count):
            closed = np.zeros(many, np.bool_)
            closed[list(kept)] = True
            state = quick(case, closed)
            if int(state.reached.sum()) == count + 1 and (state.reached | dark).all() and keeps(case, state, LIMITS):
                best = max(best, float(case.net.p_kw[state.reached & dark].sum()))
    return best


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 6), st.integers(1, 3), st.sampled_from([400.0, 1500.0, 3000.0]))
def test_restoration_agrees_with_all_subtrees(seed: int, nodes: int, ties: int, kw: float) -> None:
    case = drawn(seed, nodes, ties, kw)
    before = quick(case, case.closed)
    if before.loss_kw < 0.0 or not keeps(case, before, LIMITS):
        return
    for fault in range(nodes - 1):
        found = restore(case, fault)
        start = case.closed.copy()
        start[fault] = False
        dark = before.reached & ~quick(case, start).reached
        assert found.proved
        assert found.restored_kw.sum() == pytest.approx(subtrees_best(case, fault, dark), abs=1e-3)
        assert keeps(case, quick(case, found.target), LIMITS)


@pytest.fixture(scope="module")
def shed() -> Restoration:
    """Return what is advised where one node of 200 kW and 600 kvar cannot be supplied again."""
    case = read_case("33")
    return restore(case, case.branch("29"))


def test_a_part_that_cannot_be_supplied_is_left_out(shed: Restoration) -> None:
    assert (shed.restored_kw.sum(), shed.dark_kw.sum(), shed.proved, shed.switchings_count) == (420.0, 620.0, True, 4)


def test_a_class_comes_before_size() -> None:
    nodes, low = 4, Limits(u_low_pu=0.96)
    case = drawn(5, nodes, 0, 1.0)
    p_kw, q_kvar = np.array([0.0, 100.0, 3000.0, 2000.0]), np.zeros(nodes)
    # source - 1 - {2, 3}, and a tie from the source to 1: what it carries is either node 2 or node 3, never both
    tail, head = np.array([0, 1, 1, 0]), np.array([1, 2, 3, 1])
    ohm = 1000.0 / 10e3**2 * np.array([0.1, 0.1, 0.1, 0.9])
    net = case.net._replace(tail=tail, head=head, r_pu=ohm, x_pu=0.1 * ohm, p_kw=p_kw, q_kvar=q_kvar)
    first, along = neighbours(nodes, tail, head)
    count = np.ones(4, np.bool_)
    case = replace(
        case, net=net._replace(first=first, along=along), closed=np.array([True, True, True, False]), may_switch=count,
        branch_id=np.array(list("abcd")), line=np.arange(4), coupler=np.full(4, -1), i_n_a=np.full(4, np.inf),
    )  # fmt: skip
    rank = np.full(nodes, CLASSES.index("home"))
    assert restore(case, 0, rank, low).restored_kw.sum() == 3100.0
    rank[3] = CLASSES.index("signal")
    found = restore(case, 0, rank, low)
    assert found.restored_kw.tolist() == [0.0, 2000.0, 0.0, 100.0]
    rank[2] = CLASSES.index("hospital")
    assert restore(case, 0, rank, low).restored_kw.tolist() == [3000.0, 0.0, 0.0, 100.0]


@pytest.mark.parametrize("number", ["33", "136"])
def test_a_sheet_leads_from_one_state_to_the_other_and_keeps_the_limits(number: str) -> None:
    case = read_case(number)
    target = reconfigure(case).closed
    steps = way_to(case, case.closed, target, LIMITS)
    state = case.closed.copy()
    for step in steps:
        assert state[step.branch] != step.close
        state[step.branch] = step.close
        assert not step.faults
        assert step.dark_kw == 0.0 or step.way == "break before make"
        assert step.reason
    assert np.array_equal(state, target)


def test_what_is_too_far_apart_is_broken_before_it_is_made() -> None:
    case = read_case("33")
    target = reconfigure(case).closed
    strict = way_to(case, case.closed, target, replace(LIMITS, ring_u_pu=0.001))
    assert {step.way for step in strict} == {"break before make"}
    assert all("pu apart, allowed 0.001" in step.reason for step in strict if not step.close)
    few = way_to(case, case.closed, target, replace(LIMITS, ring_a=5.0))
    assert any("A would go round, allowed 5" in step.reason for step in few)
    turned = way_to(case, case.closed, target, replace(LIMITS, ring_deg=0.01))
    assert any("degrees apart, allowed 0.01" in step.reason for step in turned)


def test_after_a_fault_dead_lines_are_switched_before_live_ones(shed: Restoration) -> None:
    case, found = read_case("33"), shed
    steps = fault_steps(case, found.fault, found.start, found.target)
    assert [step.way for step in steps][:2] == ["isolate", "dead"]
    assert steps[-1].dark_kw == pytest.approx(200.0)
    assert steps[-1].u_lowest_pu == pytest.approx(found.u_lowest_pu, abs=1e-6)
    state = solved(case, found.target)
    assert state is not None
    assert not state.energised[int(np.flatnonzero(case.node_id == "30")[0])]


def test_the_engine_agrees_with_the_sweeps_on_every_case() -> None:
    for number in ("33", "69", "119", "136"):
        case = read_case(number)
        loss, lowest = loss_of(case.net, case.closed)
        assert checked_loss(case, checked(case, case.closed)) == pytest.approx((loss, lowest), abs=1e-6)


def test_commands_print_a_sheet_and_write_json(tmp_path: Path) -> None:
    into, runner = tmp_path / "found.json", CliRunner()
    away = runner.invoke(reconfigure_command, ["33", "--json", str(tmp_path / "nowhere" / "found.json")])
    assert away.exit_code == 2
    assert "nowhere does not exist; make it first. Nothing was run." in " ".join(away.output.split())
    done = runner.invoke(reconfigure_command, ["33", "--json", str(into)])
    assert done.exit_code == 0, done.output
    found = json.loads(into.read_text())
    assert (round(found["loss_kw"], 4), round(found["bound_kw"], 4), found["opened"]) == (139.5513, 139.5513, [7, 9, 14, 32, 37])
    assert "sends no switching command" in done.output
    ranks = tmp_path / "ranks.csv"
    ranks.write_text("node,class\n12,signal\n")
    done = runner.invoke(restore_command, ["33", "--fault", "9-10", "--priorities", str(ranks), "--json", str(into)])
    assert done.exit_code == 0, done.output
    assert json.loads(into.read_text())["classes"]["signal"] == {"cut_off_kw": 60.0, "restored_kw": 60.0}
    ranks.write_text("node,class\n99,signal\n3,castle\n")
    done = runner.invoke(restore_command, ["33", "--fault", "29", "--priorities", str(ranks)])
    assert done.exit_code == 1
    assert "ranks.csv:2" in done.output
    assert "'castle'" in done.output
    done = runner.invoke(restore_command, ["33", "--fault", "99"])
    assert "no line '99'" in done.output
