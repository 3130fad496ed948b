# SPDX-License-Identifier: Apache-2.0
"""Plans as a SUMO additional file: one fixed programme per intersection and period, and the times at which they change."""

from collections.abc import Sequence
from itertools import groupby
from xml.sax.saxutils import quoteattr

from lamplighter.services.traffic.retiming.scheme import Junction, Programme, seconds

PREFIX = "retimed"


def programmes_xml(junctions: Sequence[Junction], plans: Sequence[tuple[float, Sequence[Programme]]]) -> str:
    """Return the file. plans: (begin_s, one programme per junction) in order of time; with several, a WAUT switches them.

    Each period's programmes start at the clock's zero plus their offset, so a change of plan may cut a green short to its
    own second of the new cycle: SUMO switches at the moment named.
    """
    lines = ["<additional>"]
    for number, (_, programmes) in reversed(list(enumerate(plans))):
        for junction, programme in zip(junctions, programmes, strict=True):
            offset = f'offset="{programme.offset_s:.0f}"'
            lines.append(f'<tlLogic id={quoteattr(junction.id)} type="static" programID="{PREFIX}{number}" {offset}>')
            lines += [
                f'<phase duration="{len(list(run))}" state="{state}"/>' for state, run in groupby(seconds(junction, programme))
            ]
            lines.append("</tlLogic>")
    if len(plans) > 1:
        lines.append(f'<WAUT refTime="0" id="periods" startProg="{PREFIX}0">')
        lines += [f'<wautSwitch time="{begin_s:.0f}" to="{PREFIX}{n}"/>' for n, (begin_s, _) in enumerate(plans) if n]
        lines.append("</WAUT>")
        lines += [f'<wautJunction wautID="periods" junctionID={quoteattr(j.id)} procedure="GSP"/>' for j in junctions]
    lines.append("</additional>")
    return "\n".join(lines) + "\n"
