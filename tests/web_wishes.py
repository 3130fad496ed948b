# SPDX-License-Identifier: Apache-2.0
"""The part of the scripted engine that takes operators' wishes: it permits whatever it knows, at once."""

from dataclasses import replace

from lamplighter.runtime.view import Asked, BoxAnswer, Wished


class ScriptedDesk:
    """Wishes by number; what was asked is noted in `calls`."""

    def __init__(self, calls: list[str]) -> None:
        self._calls = calls
        self.wished: tuple[Wished, ...] = ()

    def ask(self, service: str, asked: Asked, now_s: float) -> int:
        if asked.action not in ("hold", "clear_way"):
            raise ValueError(f"{service} has no action {asked.action!r} for operators")
        boxes, number = tuple(BoxAnswer(name, "stands", "") for name, _ in asked.boxes), len(self.wished) + 1
        one = Wished(number, service, asked.action, asked.reason, now_s + asked.duration_s, False, boxes)
        self.wished = (*self.wished, one)
        self._calls.append(f"ask {service} {asked.action} {len(asked.boxes)} {asked.duration_s:g} {asked.reason}")
        return number

    def withdraw(self, number: int) -> None:
        self.wished = tuple(replace(one, ended=one.ended or one.number == number) for one in self.wished)
        self._calls.append(f"withdraw {number}")
