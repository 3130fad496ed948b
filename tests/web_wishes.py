# SPDX-License-Identifier: Apache-2.0
"""The part of the scripted engine of which operators and residents ask something: it permits whatever it knows, at once."""

from dataclasses import replace

from lamplighter.runtime.view import Asked, Box, BoxAnswer, Found, Offer, Scene, Wished
from lamplighter.terms.asking import Choice, Inquiry, Letter, Request, Watch

INQUIRY = Inquiry("Why did I wait?", "What ran here and how long each street waited.", "tests.web_wishes:nothing")
WATCH = Watch("What stands out", "What stood out over the last full hour.", "tests.web_wishes:nothing")
CLEAR = Request("clear_way", "Clear the way", "Green for one stage. Nothing is skipped.", lambda prepared, asset: (), (60.0,))
PARTS = ("Row 3 from the north", "the crossings")
LETTER = "You asked about the signals here. On Row 3 from the north 40 vehicles were counted. Nothing is broken."
REFUSED = "traffic {}: clear_way refused, minimum walk: 1 s, limit 5 s (RiLSA 2015, 2.7). Nothing was sent."


def box_of(asset: str) -> str:
    """Return the box of a signal of the scripted city: J3-0 steers J3-1, J3-2 and J3-3."""
    return f"{asset.partition('-')[0]}-0" if asset.startswith("J") else ""


class ScriptedAnswers:
    """What may be asked of the signals of a scripted city."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def boxes(self) -> tuple[Box, ...]:
        assets, streets = self._scene.assets, self._scene.streets
        names = dict(zip(streets.id.tolist(), streets.name.tolist(), strict=True))
        rows = zip(assets.id.tolist(), assets.street.tolist(), assets.area.tolist(), strict=True)
        return tuple(Box(one, "traffic", names.get(street, street), area) for one, street, area in rows if box_of(one) == one)

    def offers(self, asset_id: str) -> tuple[Offer, ...]:
        if asset_id not in set(self._scene.assets.id.tolist()):
            raise KeyError(asset_id)
        if not (box := box_of(asset_id)):
            return ()
        stages = tuple(Choice(f"stage {n}: {'Row' if n % 2 else 'Lane'} {n}", {"stage": float(n)}) for n in range(3))
        return (Offer("traffic", box, CLEAR.action, CLEAR.title, CLEAR.doc, (60.0, 30.0, 120.0), stages),)

    def account(self, asset_id: str, at: str, part: str) -> Letter:
        if not box_of(asset_id):
            raise KeyError(asset_id)
        if at.startswith("2026-10-25 02:30") and "+" not in at:
            raise ValueError("2026-10-25 02:30 happened twice. Say which one: 2026-10-25 02:30+02:00 or 2026-10-25 02:30+01:00.")
        if at.startswith("1"):
            raise ValueError(f"{at!r} is no moment")
        return Letter(f"{LETTER}{f' Asked for {part}.' if part else ''}\n\nSIMULATED: {at}", "within", PARTS)

    def found(self) -> tuple[Found, ...]:
        begin_s = self._scene.begin_s
        return (
            Found("traffic", "J1-0", begin_s, begin_s + 3600.0, "J1-2 (Row 3) fails 40% of its greens between 16:15 and 17:00."),
        )


class ScriptedDesk:
    """Wishes by number; what was asked is noted in `calls`."""

    def __init__(self, calls: list[str]) -> None:
        self._calls = calls
        self.wished: tuple[Wished, ...] = ()

    def ask(self, service: str, asked: Asked, now_s: float) -> int:
        if asked.action not in ("hold", "clear_way"):
            raise ValueError(f"{service} has no action {asked.action!r} for operators")
        number = len(self.wished) + 1
        boxes = tuple(
            BoxAnswer(name, "refused", REFUSED.format(name)) if values.get("stage") == 1.0 else BoxAnswer(name, "stands", "")
            for name, values in asked.boxes
        )
        one = Wished(number, service, asked.action, asked.reason, now_s + asked.duration_s, False, boxes)
        self.wished = (*self.wished, one)
        self._calls.append(f"ask {service} {asked.action} {len(asked.boxes)} {asked.duration_s:g} {asked.reason}")
        return number

    def withdraw(self, number: int) -> None:
        self.wished = tuple(replace(one, ended=one.ended or one.number == number) for one in self.wished)
        self._calls.append(f"withdraw {number}")
