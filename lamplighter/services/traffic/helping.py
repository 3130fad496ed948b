# SPDX-License-Identifier: Apache-2.0
"""What an operator asks of the signals of a running city: which stage clears a way, and the words with its page."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamplighter.services.traffic.layout import FOOT, Layout
from lamplighter.terms.columns import IntArray

ANSWER_MAX_S = 5.0


class HelpError(ValueError):
    """A wish that cannot be made; the message says what is wrong and what there is."""


def stage_for(layout: Layout, box: int, street: str, names: Mapping[str, str]) -> int | None:
    """Return the stage of a box that lets most movements from a street go, those that need not give way before others;
    None where the street does not lead there."""
    moves = layout.movements
    mine = np.flatnonzero((moves.box == box) & (moves.kind != FOOT))
    wanted = street.casefold()
    from_there = [row for row in mine if wanted == names.get(str(moves.from_edge[row]), "").casefold()]
    if not from_there:
        return None
    number: IntArray = moves.group[from_there] - layout.groups.offsets[box]
    rows = slice(int(layout.stages.offsets[box]), int(layout.stages.offsets[box + 1]))
    green, yields = layout.stages.green[rows][:, number], layout.stages.gives_way[rows][:, number]
    worth = green.sum(axis=1) + 0.5 * (green & ~yields).sum(axis=1)
    return int(np.argmax(worth)) if worth.max() > 0 else None


def wish_boxes(layout: Layout, ids: Sequence[str], places: Sequence[str], along: str, names: Mapping[str, str]) -> dict[str, int]:
    """Return the stage asked for at each intersection. places: "J07" or "J07:2" (with the stage); along: a street whose
    stage is meant where none is given, and whose intersections are meant where no place is. HelpError says what is wrong."""
    number = {name.casefold(): box for box, name in enumerate(ids)}
    found: dict[str, int] = {}
    for place in places or (ids if along else ()):
        typed, _, stage = place.partition(":")
        if typed.casefold() not in number:
            raise HelpError(f"no intersection is called {typed!r}; there are {', '.join(ids)}")
        box = number[typed.casefold()]
        name = ids[box]
        if stage and not stage.isdigit():
            raise HelpError(f"{place}: {stage!r} is no stage; write a whole number, such as {name}:0")
        chosen = int(stage) if stage.isdigit() else stage_for(layout, box, along, names)
        stages = int(layout.stages.offsets[box + 1] - layout.stages.offsets[box])
        if chosen is not None and chosen >= stages:
            raise HelpError(f"{name} has no stage {chosen}; it has 0 to {stages - 1} (lamplighter traffic show {name})")
        if chosen is None and places:
            why = (
                f"{along!r} does not lead there; give the stage" if along else "which stage? Give it, or the street with --along"
            )
            raise HelpError(f"{name}: {why}, such as {name}:0")
        if chosen is not None:
            found[name] = chosen
    if not found:
        raise HelpError(
            f"no intersection was named, and {along!r} leads to none" if along else "name an intersection, or --along"
        )
    return found


def ask(port: int, path: str, body: Mapping[str, Any] | None) -> Any:
    """Ask the page of a running city on this machine; HelpError with its own sentence where it refuses or is not there."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/control/{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_MAX_S) as answer:  # noqa: S310 - a fixed address of this machine
            return json.load(answer)
    except urllib.error.HTTPError as error:
        detail = error.read().decode(errors="replace")
        try:
            raise HelpError(str(json.loads(detail)["detail"])) from error
        except (ValueError, KeyError, TypeError):
            raise HelpError(f"the page answered {error.code}: {detail[:200]}") from error
    except (OSError, ValueError) as error:
        raise HelpError(
            f"no city answers on port {port} of this machine ({error}). Start one with `lamplighter demo`, or give its --port."
        ) from error
