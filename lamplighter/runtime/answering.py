# SPDX-License-Identifier: Apache-2.0
"""What people ask of a running city's services: what an operator may choose at a box, an account of what was, what stands out."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, cast

import numpy as np

from lamplighter.history.reading import Reader
from lamplighter.runtime.loop import ServiceRun, Tick
from lamplighter.runtime.view import Box, Found, Offer
from lamplighter.terms.asking import Finding, Letter, Question, Watcher
from lamplighter.terms.city import CityData


def loaded(dotted: str) -> Callable[..., Any]:
    """Return what a dotted name `package.module:function` names."""
    module, _, name = dotted.partition(":")
    return cast(Callable[..., Any], getattr(import_module(module), name))


def box_of(run: ServiceRun, place: int) -> int | None:
    """Return the city position of the box that steers an asset of a run, None where the service names none."""
    return None if run.service.box_of is None else run.service.box_of(run.prepared, place)


class Answering:
    """Answers for every service of a run. Offers and accounts may be asked for from any thread."""

    def __init__(self, runs: Sequence[ServiceRun], record: Reader) -> None:
        self._runs, self._record = tuple(runs), record
        self._watchers: dict[str, Watcher] = {}
        self._findings: dict[str, tuple[Finding, ...]] = {}
        self._found: Mapping[str, tuple[Found, ...]] = {}
        self.fault = ""

    def _place(self, asset_id: str) -> tuple[ServiceRun, int]:
        for run in self._runs:
            found = np.flatnonzero(run.city.assets.id[run.city.span] == asset_id)
            if len(found):
                return run, int(found[0]) + run.city.span.start
        raise KeyError(f"no asset {asset_id!r} in this city")

    def offers(self, asset_id: str) -> tuple[Offer, ...]:
        """Return what an operator may ask of the box that an asset hangs on; KeyError where there is no such asset."""
        run, place = self._place(asset_id)
        box = box_of(run, place)
        if box is None:
            return ()
        name, service = str(run.city.assets.id[box]), run.service.name
        return tuple(
            Offer(service, name, one.action, one.title, one.doc, one.durations_s, tuple(one.choices(run.prepared, box)))
            for one in run.service.requests
        )

    def boxes(self) -> tuple[Box, ...]:
        """Return every box of which an operator may ask something, or anybody an account."""
        made: list[Box] = []
        for run in self._runs:
            if not run.service.requests and run.service.inquiry is None:
                continue
            kinds = {action.of for action in run.service.actions}
            assets = run.city.assets
            streets = dict(zip(run.city.streets.id.tolist(), run.city.streets.name.tolist(), strict=True))
            for local in np.flatnonzero(np.isin(assets.kind[run.city.span], sorted(kinds))).tolist():
                place = local + run.city.span.start
                street = str(assets.street[place])
                if box_of(run, place) == place:
                    name, area = str(assets.id[place]), str(assets.area[place])
                    made.append(Box(name, run.service.name, str(streets.get(street, street)), area))
        return tuple(made)

    def account(self, asset_id: str, at: str, part: str) -> Letter:
        """Return the account of what was at a box, from the record. KeyError where there is none to be had, ValueError where
        the question cannot be understood."""
        run, place = self._place(asset_id)
        box, inquiry = box_of(run, place), run.service.inquiry
        if box is None or inquiry is None:
            raise KeyError(f"{run.service.title} gives no account of {asset_id}")
        answer = cast(Callable[[Reader, CityData, Any, Question], Letter], loaded(inquiry.answer))
        return answer(self._record, run.city, run.prepared, Question(box, at, part))

    def open_watchers(self) -> None:
        """Open every service's watcher; it may take long, and ticks go on meanwhile. One that fails watches nothing."""
        for run in self._runs:
            if run.service.watch is None:
                continue
            try:
                opened = cast(Callable[[CityData, Any], Watcher], loaded(run.service.watch.open))
                self._watchers[run.service.name] = opened(run.city, run.prepared)
            except Exception as error:  # noqa: BLE001 - what only watches must not stop what steers
                self.fault = f"{run.service.name}: cannot be watched ({type(error).__name__}: {error}). Control goes on."

    def follow(self, run: ServiceRun, done: Tick) -> None:
        """Let the service's watcher see one more tick; what it finds is kept for `found`."""
        name = run.service.name
        watcher = self._watchers.get(name)
        if watcher is None:
            return
        watcher.follow(done.snapshot)
        findings = watcher.found()
        if findings is not self._findings.get(name):
            self._findings[name] = findings
            ids = run.city.assets.id
            told = tuple(Found(name, str(ids[one.asset]), one.begin_s, one.end_s, one.text) for one in findings)
            self._found = {**self._found, name: told}

    def found(self) -> tuple[Found, ...]:
        """Return what stands out, service by service."""
        return tuple(one for found in self._found.values() for one in found)
