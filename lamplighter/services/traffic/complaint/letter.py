# SPDX-License-Identifier: Apache-2.0
"""The answer in plain words: what ran, how long each street waited, why, whether that is allowed, and what follows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lamplighter.history.tables import LOW_COUNT, TABLES
from lamplighter.services.traffic.complaint.evidence import Evidence, Heard, Reason
from lamplighter.services.traffic.complaint.moment import clock, day
from lamplighter.services.traffic.complaint.place import Approach
from lamplighter.services.traffic.complaint.programme import Installed
from lamplighter.terms.account import APPROACH, CROSSINGS

ALL_RATIO, SOME_RATIO = 0.95, 0.04
# The decider's reasons as a resident would put them; one that is not listed stands as it was recorded.
REASONS: Mapping[str, str] = {
    "its queues weigh more than those of the running stage": "more traffic was waiting on another street",
    "somebody there has waited as long as is allowed": "somebody on another street had waited as long as is allowed",
    "people wait to cross and nothing else presses": "people wanted to cross and nobody else pressed",
    "its queue is still discharging": "the street that had green was still emptying",
    "the street behind the running stage is full": "the street behind the green was full",
    "nobody else is waiting": "nobody else was waiting",
    "its detectors are silent: the box runs its own programme": "its detectors were silent",
    "a bus or tram is about to arrive there": "a bus or tram was about to arrive on another street",
}
# These name what presses for a change: of a green that stays they say only that its shortest time was not over.
MOVES = frozenset(REASONS) - {"its queue is still discharging", "nobody else is waiting"}
WHY_NOTHING: Mapping[str, str] = {
    "nothing": "Nothing is on record for this city: lamplighter has not run here for a whole five minutes.",
    "before": "Nothing is on record for that time: the record begins later.",
    "after": "Nothing is on record for that time: the record ends before it.",
    "gap": "Nothing is on record for that time: lamplighter did not run here through a whole five minutes of it.",
    "erased": "Nothing is on record for that time any more: what was counted is erased after "
    f"{TABLES['accounts'].keep_max_s / 86400:.0f} days.",
    "unsealed": "Nothing can be read for that time yet: the record is being written and can be read when the hour is over.",
}
FOLLOWS: Mapping[str, str] = {
    "none": "Nothing is broken, so nothing has to be mended. How long a wait may be is set by the city for each signal; whoever "
    "finds it too long can ask the city to lower it there.",
    "bound": "That is more than is allowed, and a case for the city's signal engineers: the greens of this intersection have "
    "to be looked at.",
    "detectors": "The silent detectors have to be repaired; until then the signals go on with their fixed programme.",
    "power": "The supply and the line to these signals have to be looked at. As soon as they report again they run their own "
    "programme, and lamplighter takes over when all is well.",
    "later": "The record is written every quarter of an hour where lamplighter runs; the same question can be asked again then.",
    "unknown": "What happened in that minute cannot be found out any more, and nobody can be told what is not known. If it "
    "happens again, the place and the time are enough to look it up.",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What was asked and where: the approaches meant (all where none was named), what is installed for each, the timezone."""

    known: Sequence[Approach]
    meant: Sequence[Approach]
    installed: Callable[[Approach], Installed]
    timezone: str


@dataclass(frozen=True)
class Answer:
    """The paragraph and what it comes to. verdict: within, beyond or unknown; follows: a key of FOLLOWS."""

    paragraph: str
    verdict: str
    follows: str
    bound_s: float | None


def write(evidence: Evidence, asked: Asked) -> Answer:
    """Return the answer to a complaint as one paragraph."""
    e, zone = evidence, asked.timezone
    opening = f"You asked about the signals at {e.title} on {day(e.at_s, zone)}, around {clock(e.at_s, zone)}."
    if e.missing:
        follows = "later" if e.missing in ("after", "unsealed") else "unknown"
        text = [opening, WHY_NOTHING[e.missing], *_remains(e, asked), FOLLOWS[follows]]
        return Answer(" ".join(text), "unknown", follows, None)
    basis = (
        f"This answer rests on the quarter of an hour from {clock(e.begin_s, zone)} to {clock(e.end_s, zone)} in the city's "
        "record, which holds sums of what was counted there and nothing about a single vehicle or person."
    )
    verdict, bound_s, judged = _judged(e, asked)
    follows = _follows(e, verdict)
    sentences = [opening, basis, *_who(e), *_waits(e, asked), *_why(e, asked), judged, FOLLOWS[follows]]
    return Answer(" ".join(sentences), verdict, follows, bound_s)


def _minutes(seconds: float) -> str:
    whole = max(round(seconds / 60), 1)
    return f"about {whole} minute{'s' if whole > 1 else ''}"


def _who(e: Evidence) -> list[str]:
    """Say who decided, and what was out of order."""
    watched = max(e.watched_s, 1.0)
    said: list[str] = []
    if e.leased_s >= ALL_RATIO * watched:
        said.append("All that time the signals followed lamplighter, which gives green by what is counted.")
    elif e.own_s >= ALL_RATIO * watched:
        said.append(f"All that time the signals ran their own fixed programme{_why_own(e)}.")
    else:
        if e.leased_s > SOME_RATIO * watched:
            said.append(f"For {_minutes(e.leased_s)} the signals followed lamplighter, which gives green by what is counted.")
        if e.own_s > SOME_RATIO * watched:
            said.append(f"For {_minutes(e.own_s)} they ran their own fixed programme{_why_own(e)}.")
    if e.silent_s > SOME_RATIO * watched:
        said.append(
            f"For {_minutes(e.silent_s)} nothing was heard of the signals, which as a rule is a power cut or a broken line; "
            "where the power is cut they are dark, and the traffic signs hold."
        )
    if e.fault_s > SOME_RATIO * watched:
        said.append(f"For {_minutes(e.fault_s)} the signals reported a fault of their own.")
    if e.watched_s < ALL_RATIO * (e.end_s - e.begin_s):
        said.append(f"Only {_minutes(e.watched_s)} of the quarter of an hour are on record.")
    return said + _operators(e)


def _why_own(e: Evidence) -> str:
    if e.ours_s < SOME_RATIO * max(e.watched_s, 1.0):
        return ", because they were not under lamplighter then"
    if e.detectors_silent_share > 0:
        many = max(round(e.detectors_silent_share * e.detectors), 1)
        are = "detector in the road was" if many == 1 else "detectors in the road were"
        return f", because {many} {are} silent, and without them lamplighter does not steer"
    return ", because lamplighter did not ask for anything else"


def _operators(e: Evidence) -> list[str]:
    said: list[str] = []
    if any(one.action == "set_arm" for one in e.asked):
        said.append("In this quarter of an hour an operator switched lamplighter on or off.")
    if any(one.action == "hold" for one in e.asked):
        said.append("An operator kept signals in this part of the city on their own programme for a while.")
    if any(one.action not in ("set_arm", "hold") for one in e.asked):
        said.append("An operator let somebody through at signals in this part of the city, which makes others wait.")
    return said


def _found(e: Evidence, one: Approach) -> Heard | None:
    return next((h for h in e.heard if h.kind == one.kind and h.name == one.name), None)


def _waits(e: Evidence, asked: Asked) -> list[str]:
    """Say how long each of the approaches waited, as finely as it was kept."""
    said: list[str] = []
    shaped = True
    for one in asked.meant:
        heard = _found(e, one)
        if heard is not None:
            said.append(_of_one(one, heard))
            shaped = shaped and heard.green_s is not None
    for kind in (APPROACH, CROSSINGS):
        if any(one.kind == kind and _found(e, one) is None for one in asked.meant):
            said.append(_of_many(e, kind))
    if not shaped and e.leased_s > SOME_RATIO * max(e.watched_s, 1.0):
        said.append(
            "When which street had green is not kept for this time: so few used some of these signals that one could be told "
            "from it."
        )
    return said


def _mean_s(heard: Heard) -> str:
    return f"{heard.wait_s / max(heard.users_count, 1):.0f} s"


def _of_one(one: Approach, heard: Heard) -> str:
    if one.kind == CROSSINGS:
        return f"At the crossings people asked for green {heard.users_count} times, and waited {_mean_s(heard)} on average."
    text = f"On {one.words} {heard.users_count} vehicles were counted; on average each stood for {_mean_s(heard)}"
    if heard.green_s is None or heard.red_longest_s is None or heard.wait_longest_s is None or heard.greens_count is None:
        return f"{text}."
    often = "once" if heard.greens_count == 1 else f"{heard.greens_count:.0f} times"
    greens = f"green came {often}" if heard.greens_count else "it had green from the beginning"
    share = heard.green_s / max(heard.over_s, 1.0)
    longest = f"; the longest time without green was {heard.red_longest_s:.0f} s" if heard.red_longest_s else ""
    stood = f"nobody stood there for more than {heard.wait_longest_s:.0f} s" if heard.wait_longest_s else "nobody stood there"
    return f"{text}, {greens} and lasted {share:.0%} of the time{longest}, and {stood}."


def _of_many(e: Evidence, kind: str) -> str:
    """Say what is kept of approaches or crossings that were too quiet to be kept by themselves."""
    who = "vehicles" if kind == APPROACH else "requests for green at crossings"
    heard = next((h for h in e.heard if h.of == kind and h.kind in ("zone", "rest")), None)
    if heard is None:
        return f"Fewer than {LOW_COUNT} {who} were counted here, and so that nobody can be told from it nothing of them is kept."
    what = f"{heard.users_count} {who} were counted, and the mean wait was {_mean_s(heard)}"
    if heard.kind == "zone":
        many = f"the {heard.members} quietest streets of this intersection are kept as one"
        return f"So that nobody can be told from them, {many}: {what}."
    others = f"with those of quiet neighbours in {e.area} ({heard.members} intersections in all)"
    return f"So that nobody can be told from them, the {who} of this intersection are kept together {others}: {what}."


def _why(e: Evidence, asked: Asked) -> list[str]:
    """Say which rule or demand moved the green, or what the fixed programme gives."""
    said: list[str] = []
    if e.own_s > SOME_RATIO * max(e.watched_s, 1.0):
        said += _programme(asked)
    for action, verb in (("start_stage", "The green moved on"), ("hold_stage", "It was kept where it was")):
        given = [one for one in e.reasons if one.action == action and (action == "start_stage" or one.text not in MOVES)]
        here = [one for one in given if one.here][:2] or [one for one in given if not one.here][:1]
        if here:
            reasons = " and ".join(f"because {REASONS.get(one.text, one.text)} ({_times(one)})" for one in here)
            where = "" if here[0].here else ", here and at its quiet neighbours taken together,"
            said.append(f"{verb}{where} mostly {reasons}.")
    for one in [one for one in e.refusals if one.here][:1]:
        said.append(f"{one.times} times a change was asked for that would not have been safe yet ({one.text}); it was not made.")
    return said


def _times(one: Reason) -> str:
    return f"{one.times} times"


def _programme(asked: Asked) -> list[str]:
    said: list[str] = []
    for one in asked.meant:
        plan = asked.installed(one)
        if one.kind == APPROACH and plan.cycle_s and plan.green_s:
            said.append(
                f"The fixed programme gives {one.words} green for about {plan.green_s:.0f} s in every {plan.cycle_s:.0f} s; its "
                f"longest time without green is about {plan.red_longest_s:.0f} s."
            )
    return said[:3]


def _judged(e: Evidence, asked: Asked) -> tuple[str, float | None, str]:
    """Say whether the longest wait allowed was kept. What was put together with neighbours is judged with them."""
    bounds_s = [asked.installed(one).bound_s for one in asked.meant]
    bound_s = max([one for one in bounds_s if one > 0], default=None)
    kinds = {one.kind for one in asked.meant}
    names = {one.name for one in asked.meant}
    alone = {h.name for h in e.heard}
    merged = {one.kind for one in asked.meant if one.name not in alone}
    heard = [h for h in e.heard if (h.of in merged and h.kind in ("zone", "rest")) or (h.of in kinds and h.name in names)]
    if bound_s is None or not heard:
        return "unknown", bound_s, "Whether anybody waited longer than is allowed cannot be told from what is kept."
    allowed = f"The longest wait allowed at red is {bound_s:.0f} s here"
    over_s = max(h.over_bound_s for h in heard)
    if over_s > 0:
        return "beyond", bound_s, f"{allowed}; for {over_s:.0f} s in all, somebody waited longer."
    return "within", bound_s, f"{allowed}, and nobody was counted who waited longer."


def _follows(e: Evidence, verdict: str) -> str:
    if e.silent_s + e.fault_s > SOME_RATIO * max(e.watched_s, 1.0):
        return "power"
    if e.detectors_silent_share > 0:
        return "detectors"
    return {"within": "none", "beyond": "bound"}.get(verdict, "none")


def _remains(e: Evidence, asked: Asked) -> list[str]:
    """Say what is known without a record: the programme that is installed, and when the record begins and ends."""
    said: list[str] = []
    if e.first_s is not None and e.last_s is not None:
        first, last = (f"{day(s, asked.timezone)}, {clock(s, asked.timezone)}" for s in (e.first_s, e.last_s))
        said.append(f"The record goes from {first} to {last}.")
    programme = _programme(asked)
    return said + (["What remains is what is installed."] if programme else []) + programme
