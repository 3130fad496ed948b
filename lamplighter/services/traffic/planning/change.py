# SPDX-License-Identifier: Apache-2.0
"""The change from one stage to the next: when each green ends and when each starts.

The change lasts as long as its longest intergreen. A green that clears faster ends later, so that a long walk over a
crossing does not keep the cars beside it waiting; a green that meets nothing of the old stage starts at once.
A group that gave way and need not any more counts as starting, one that must give way from now on as ending: both
stay green, but the intergreen is kept between the old traffic and the new.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.traffic.planning.stages import Stage
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Change:
    """One change of stage, seconds from its beginning.

    length_s: until every group of the new stage is green; ending (e,), green_end_s (e,): groups whose green ends and
    when; starting (s,), green_start_s (s,): groups whose green starts and when; upgraded and downgraded: groups that
    stay green and stop or begin to give way; they give way throughout the change.
    """

    length_s: float
    ending: IntArray
    green_end_s: FloatArray
    starting: IntArray
    green_start_s: FloatArray
    upgraded: IntArray
    downgraded: IntArray


def change(before: Stage, after: Stage, intergreen_s: FloatArray, conflict: BoolArray, show_s: FloatArray) -> Change:
    """Return how the box goes from one stage to another.

    intergreen_s, conflict (g, g); show_s (g, 2): yellow and red-amber of each group.
    """
    old, new = set(before.groups), set(after.groups)
    gave, gives = set(before.permissive), set(after.permissive)
    ending, starting = _array(old - new), _array(new - old)
    upgraded, downgraded = _array((old & new & gave) - gives), _array((old & new & gives) - gave)
    leaving, entering = np.concatenate([ending, downgraded]), np.concatenate([starting, upgraded])
    apart_s = np.where(conflict[np.ix_(leaving, entering)], intergreen_s[np.ix_(leaving, entering)], 0.0)
    after_end_s = np.maximum(apart_s.max(axis=1, initial=0.0), show_s[leaving, 0] * (np.arange(len(leaving)) < len(ending)))
    length_s = float(max(after_end_s.max(initial=0.0), show_s[starting, 1].max(initial=0.0)))
    end_s = np.where(np.arange(len(leaving)) < len(ending), length_s - after_end_s, 0.0)
    reach_s = np.where(apart_s > 0, end_s[:, None] + apart_s, 0.0)
    start_s = np.maximum(reach_s.max(axis=0, initial=0.0)[: len(starting)], show_s[starting, 1])
    return Change(length_s, ending, end_s[: len(ending)], starting, start_s, upgraded, downgraded)


def _array(groups: set[int]) -> IntArray:
    return np.asarray(sorted(groups), dtype=np.int64)
