# SPDX-License-Identifier: Apache-2.0
"""Many runs, each job a process of its own, and their results by scenario, arm and seed."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from typing import Any

from scipy.stats import beta

from lamplighter.services.traffic.trials.installed import find_sumo
from lamplighter.services.traffic.trials.one import Conditions, run_arm
from lamplighter.services.traffic.trials.scenario import Scenario
from lamplighter.services.traffic.trials.trial import Measures

WORSE_RATIO, WORSE_S = 1.01, 0.5  # a run is worse than the own programmes' from both on
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Plan:
    """Which runs: every scenario in every arm with every seed."""

    scenarios: tuple[Scenario, ...]
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    conditions: Conditions


@dataclass(frozen=True)
class Outcome:
    """What came of a plan: {scenario: {arm: {seed: measures}}}, and one sentence for each run that failed."""

    plan: Plan
    version: str
    results: dict[str, dict[str, dict[int, Measures]]]
    failed: tuple[str, ...]


@dataclass(frozen=True)
class AgainstOwn:
    """In how many runs of an arm vehicles were delayed by more than 1 % and more than 0.5 s beyond the own programmes' run of
    the same scenario and seed; and what the share of such runs lies below (`bound_share`), with 95 % confidence, were
    scenarios and seeds drawn like these (C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404-413)."""

    worse_runs: int
    runs: int
    bound_share: float


def against_own(results: dict[str, dict[str, dict[int, Measures]]], arm: str) -> AgainstOwn:
    """Hold one arm against the own programmes, run by run; runs that only one of them finished are left out."""
    worse_runs = runs = 0
    for arms in results.values():
        own = arms.get("own", {})
        for seed, measures in arms.get(arm, {}).items():
            if seed in own:
                delay_s = own[seed]["delay_s"]
                runs += 1
                worse_runs += measures["delay_s"] > max(WORSE_RATIO * delay_s, delay_s + WORSE_S)
    share = 1.0 if worse_runs == runs else float(beta.ppf(CONFIDENCE, worse_runs + 1, runs - worse_runs))
    return AgainstOwn(worse_runs, runs, share)


def compare(plan: Plan, jobs: int, done: Callable[[int, int], None]) -> Outcome:
    """Run everything; `done(runs, all)` after each run. A run that fails is told and the others go on."""
    version = find_sumo(plan.conditions.version).version
    results: dict[str, dict[str, dict[int, Measures]]] = {s.name: {arm: {} for arm in plan.arms} for s in plan.scenarios}
    runs = [(scenario, arm, seed) for scenario in plan.scenarios for arm in plan.arms for seed in plan.seeds]
    failed: list[str] = []
    with ProcessPoolExecutor(max_workers=min(jobs, len(runs)), mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: dict[Future[Measures], tuple[Scenario, str, int]] = {
            pool.submit(run_arm, scenario.config, arm, seed, plan.conditions): (scenario, arm, seed)
            for scenario, arm, seed in runs
        }
        for number, future in enumerate(as_completed(waiting)):
            scenario, arm, seed = waiting[future]
            error = future.exception()
            if error is not None:
                failed.append(f"{scenario.name}, {arm}, seed {seed}: {error}")
            else:
                results[scenario.name][arm][seed] = future.result()
            done(number + 1, len(runs))
    ordered = {name: {arm: dict(sorted(seeds.items())) for arm, seeds in arms.items()} for name, arms in results.items()}
    return Outcome(plan, version, ordered, tuple(failed))


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return everything as plain values; seeds are keys, so they become texts."""
    conditions = outcome.plan.conditions
    return {
        "header": {
            "sumo_version": outcome.version,
            "cadence": conditions.cadence,
            "sensing": conditions.sensing,
            "intergreens": "full" if conditions.full else "published",
            "detector_loss_share": conditions.lost_share,
            "arms": list(outcome.plan.arms),
            "seeds": list(outcome.plan.seeds),
            "begin_end_s": {s.name: [s.begin_s, s.end_s] for s in outcome.plan.scenarios},
        },
        "scenarios": {
            name: {arm: {str(seed): measures for seed, measures in seeds.items()} for arm, seeds in arms.items()}
            for name, arms in outcome.results.items()
        },
        "against_own": {
            arm: asdict(against_own(outcome.results, arm))
            for arm in outcome.plan.arms
            if "own" in outcome.plan.arms and arm != "own"
        },
        "failed": list(outcome.failed),
    }


def mean_of(runs: Sequence[Measures], measure: str) -> float:
    """Return the mean of one measure over runs that have it."""
    values = [run[measure] for run in runs if measure in run]
    return sum(values) / len(values) if values else 0.0
