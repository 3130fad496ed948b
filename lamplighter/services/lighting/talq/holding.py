# SPDX-License-Identifier: Apache-2.0
"""A collection that a CMS may add to, replace and delete from: control programmes, calendars, groups."""

from collections.abc import Callable, Mapping
from typing import Any

from lamplighter.services.lighting.talq.protocol import Call, Reply, Route, refuse, refuse_where
from lamplighter.services.lighting.talq.shape import Record, Rows, Wrong, record_of, rows_of


class Holding:
    """Documents by their id. faults: what is wrong with one; known: refuses who may not ask; used: who must not be deleted."""

    def __init__(
        self,
        resource: str,
        key: str,
        at_most: int,
        faults: Callable[[Mapping[str, Any], str], list[Wrong]],
        known: Callable[[Call], None],
    ) -> None:
        self.rows: dict[str, Any] = {}
        self.used: Callable[[str], bool] = lambda name: False
        self._resource, self._key, self._at_most = resource, key, at_most
        self._faults, self._known = faults, known
        self._name = ""
        self._needs: frozenset[str] = frozenset()

    def routes(self, name: str, shape: Record) -> tuple[Route, ...]:
        """Return the operations on the collection. name: of the id in a path."""
        self._name = name
        here, one = f"/{self._resource}", f"/{self._resource}/{{{name}}}"
        return (
            Route("GET", here, self._list),
            Route("GET", f"{here}/count", self._count),
            Route("POST", here, self._add, Rows(shape)),
            Route("PUT", here, self._put, Rows(shape)),
            Route("GET", one, lambda call: Reply(200, self.one(call))),
            Route("PUT", one, self._put_one, shape),
            Route("DELETE", one, self._drop),
        )

    def one(self, call: Call) -> Any:
        """Return the document that the path names; 404 where there is none."""
        self._known(call)
        if call.names[self._name] not in self.rows:
            refuse(404, "resourceNotFound", f"nothing of this id in {self._resource}")
        return self.rows[call.names[self._name]]

    def _list(self, call: Call) -> Reply:
        self._known(call)
        return Reply(200, list(self.rows.values()))

    def _count(self, call: Call) -> Reply:
        self._known(call)
        return Reply(200, len(self.rows))

    def _sound(self, call: Call, rows: list[Any]) -> dict[str, Any]:
        """Return documents by id; refuses those that cannot be run, that are another's or that are there twice."""
        wrong: list[Wrong] = []
        for k, row in enumerate(rows):
            if str(row["ownerCMS"]).lower() != call.client:
                wrong.append(Wrong(f"/{k}/ownerCMS", "another address", "the clientAddress of the request"))
            if not 0 < len(str(row[self._key])) <= 128:
                wrong.append(Wrong(f"/{k}/{self._key}", f"{len(str(row[self._key]))} characters", "1 to 128"))
            wrong += self._faults(record_of(row), f"/{k}")
        refuse_where(wrong)
        named = {str(row[self._key]): row for row in rows}
        if len(named) < len(rows):
            refuse(422, "payloadError", "an id stands there twice")
        return named

    def _add(self, call: Call) -> Reply:
        self._known(call)
        rows = rows_of(call.document)
        again = [str(row[self._key]) for row in rows if str(row[self._key]) in self.rows]
        if again:
            refuse(409, "resourceConflict", f"{again[0][:60]!r} is held already; PUT replaces it")
        named = self._sound(call, rows)
        if len(self.rows) + len(named) > self._at_most:
            refuse(422, "serviceConstraintExceeded", f"{self._at_most} are held at most, as announced")
        self.rows.update(named)
        return Reply(201, rows)

    def _put(self, call: Call) -> Reply:
        self._known(call)
        rows = rows_of(call.document)
        for row in rows:
            if str(row[self._key]) not in self.rows:
                refuse(404, "resourceNotFound", f"{str(row[self._key])[:60]!r} is not held; POST adds it")
        self.rows.update(self._sound(call, rows))
        return Reply(200, rows)

    def _put_one(self, call: Call) -> Reply:
        self.one(call)
        row = record_of(call.document)
        if str(row[self._key]) != call.names[self._name]:
            refuse(422, "payloadError", f"/{self._key} is another than that of the path")
        self.rows.update(self._sound(call, [row]))
        return Reply(200, row)

    def _drop(self, call: Call) -> Reply:
        row = self.one(call)
        if self.used(call.names[self._name]):
            refuse(422, "deletingResourceIsReferred", "it is in use; take it from what uses it first")
        del self.rows[call.names[self._name]]
        return Reply(200, row)
