# SPDX-License-Identifier: Apache-2.0
"""What both sides of TALQ do with a request: read it, find who answers, refuse with the standard's own errors.

400 is what the published schema of the request forbids; 422 is what it lets through and nobody could obey: a light level of
"fifty", an override without end, a counter that recognises people.
"""

import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import parse_qs, quote, unquote, urlencode

from lamplighter.services.lighting.talq import vocabulary as words
from lamplighter.services.lighting.talq.shape import Shape, Text, Wrong, faults, fits, record_of, rows_of
from lamplighter.terms.exchange import Answered, Asked

BODY_MAX_BYTES = 16 << 20  # after unpacking
DIGITS_MOST = 300  # of a whole number: a longer one is no number that can be reckoned with
_VERSION = re.compile(r"2\.\d{1,3}\.\d{1,3}")
_UUID = Text("uuid")
_ORIGIN = ("talqOriginRequestId",)


class RefusedError(Exception):
    """A request cannot be obeyed: status and the faults that the answer names."""

    def __init__(self, status: int, key: str, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.status, self.key, self.faults = status, key, tuple(faults)


@dataclass(frozen=True)
class Call:
    """A request that is sound: who asks, what the path names, the query, the document and when."""

    client: str
    names: Mapping[str, str]
    query: Mapping[str, list[str]]
    document: Any
    now_s: float


@dataclass(frozen=True)
class Reply:
    """What a handler answers; document: nothing means an answer without content."""

    status: int
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Handler = Callable[[Call], Reply]


@dataclass(frozen=True)
class Route:
    """One operation. path: parts in braces are names; body: shape of the document, where it needs one."""

    method: str
    path: str
    does: Handler
    body: Shape | None = None
    body_may_be_missing: bool = False


def refuse(status: int, key: str, *told: str) -> NoReturn:
    """Raise the refusal that `answer` turns into an answer of the standard's form."""
    raise RefusedError(status, key, told)


def refuse_where(wrong: Sequence[Wrong], key: str = "payloadError", status: int = 422) -> None:
    """Refuse with all that is wrong, where anything is."""
    if wrong:
        raise RefusedError(status, key, [str(one) for one in wrong])


def answer(asked: Asked, routes: Sequence[Route], now_s: float) -> Answered:
    """Answer one request; whatever it holds, the answer is one of the standard's and nothing is half done."""
    packed = asked.headers.get("content-encoding", "").strip().lower()
    try:
        reply = _answered(asked, packed, routes, now_s)
    except RefusedError as refusal:
        errors = [{"key": refusal.key, "description": text[:1000]} for text in refusal.faults]
        reply = Reply(refusal.status, errors)
    headers = {"talq-api-version": words.VERSION, "cache-control": "no-transform", **reply.headers}
    if reply.document is None:
        return Answered(reply.status, headers, b"")
    return _packed(Answered(reply.status, {**headers, "content-type": "application/json"}, written(reply.document)), packed)


def _answered(asked: Asked, packed: str, routes: Sequence[Route], now_s: float) -> Reply:
    try:
        return _answer(asked, packed, routes, now_s)
    except RecursionError:
        refuse(400, "payloadError", "the content is nested without measure")


def _answer(asked: Asked, packed: str, routes: Sequence[Route], now_s: float) -> Reply:
    route, names = _route(asked, routes)
    query = parse_qs(asked.query, keep_blank_values=True)
    version = asked.headers.get("talq-api-version")
    if version is None:
        refuse(400, "headerMissing", f"talq-api-version is missing; {words.VERSION} is spoken here")
    if not _VERSION.fullmatch(version.strip()):
        refuse(400, "headerValueNotValid", f"talq-api-version is {version[:20]!r}; a version 2 is spoken here, {words.VERSION}")
    writes = route.method != "GET"
    for name in ("clientAddress", "talqRequestId") if writes else ("clientAddress",):
        if name not in query:
            refuse(400, "parameterMissing", f"{name} is missing; a UUID is needed in the query")
    for name in ("clientAddress", "talqRequestId", *_ORIGIN) if writes else ("clientAddress",):
        for value in query.get(name, []):
            if not fits(value, _UUID):
                refuse(400, "parameterValueNotValid", f"{name} is {value[:40]!r}; a UUID is needed")
    for name in ("offset", "limit"):
        for value in query.get(name, []):
            if route.path == "/devices" and not re.fullmatch(r"\d{1,9}", value):
                refuse(400, "parameterValueNotValid", f"{name} is {value[:20]!r}; a whole number from 0 is needed")
    for name, value in names.items():
        if name == "deviceAddress" and not fits(value, _UUID):
            refuse(400, "parameterValueNotValid", f"{name} is {value[:40]!r}; a UUID is needed")
    document = None if route.body is None else _document(asked, packed, route.body, route.body_may_be_missing)
    return route.does(Call(query["clientAddress"][-1].lower(), names, query, document, now_s))


def _route(asked: Asked, routes: Sequence[Route]) -> tuple[Route, dict[str, str]]:
    parts = asked.path.strip("/").split("/")
    best: tuple[Route, dict[str, str]] | None = None
    methods: set[str] = set()
    for route in routes:
        wanted = route.path.strip("/").split("/")
        if len(wanted) != len(parts):
            continue
        names: dict[str, str] = {}
        for want, part in zip(wanted, parts, strict=True):
            if want.startswith("{"):
                names[want[1:-1]] = unquote(part)
            elif want != part:
                break
        else:
            methods.add(route.method)
            if route.method == asked.method and (best is None or len(names) < len(best[1])):
                best = route, names
    if best is not None:
        return best
    if methods:
        refuse(405, "genericError", f"{asked.method[:10]} is not spoken here; {', '.join(sorted(methods))} is")
    refuse(404, "resourceNotFound", "no such resource in TALQ 2.7.1")


def _document(asked: Asked, packed: str, shape: Shape, may_be_missing: bool) -> Any:
    if not asked.body and may_be_missing:
        return []
    kind, _, charset = asked.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/json" or not re.fullmatch(
        r"(\s*charset\s*=\s*\"?utf-?8\"?\s*)?", charset, re.IGNORECASE
    ):
        refuse(415, "headerValueNotValid", f"content-type is {kind[:40]!r}; application/json in UTF-8 is needed")
    document = read(_unpacked(asked.body, packed))
    refuse_where(faults(document, shape), status=400)
    return document


def _unpacked(body: bytes, packed: str) -> bytes:
    """Return a body as it was before it was packed, never more than BODY_MAX_BYTES of it."""
    if packed in ("", "identity"):
        return body
    if packed not in ("gzip", "deflate"):
        refuse(415, "headerValueNotValid", f"content-encoding is {packed[:20]!r}; none, gzip or deflate are needed")
    for bits in (31,) if packed == "gzip" else (15, -15):  # deflate is sent with and without its zlib frame
        machine = zlib.decompressobj(bits)
        try:
            out = machine.decompress(body, BODY_MAX_BYTES + 1)
        except zlib.error:
            continue
        if len(out) > BODY_MAX_BYTES:
            refuse(413, "payloadError", f"the content unpacks to more than {BODY_MAX_BYTES} bytes; send it in parts")
        if machine.eof:
            return out
    refuse(400, "payloadError", f"the content is not whole as {packed}")


def _packed(answered: Answered, packed: str) -> Answered:
    """Return an answer in the encoding of its request, as the standard has it."""
    if packed not in ("gzip", "deflate"):
        return answered
    machine = zlib.compressobj(wbits=31 if packed == "gzip" else 15)
    body = machine.compress(answered.body) + machine.flush()
    return Answered(answered.status, {**answered.headers, "content-encoding": packed}, body)


def _never(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        _never(text)
    return value


def _whole(text: str) -> int:
    if len(text) > DIGITS_MOST:
        _never(text)
    return int(text)


def read(body: bytes) -> Any:
    """Return a JSON document; RefusedError where the bytes are none."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_never, parse_float=_finite, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        refuse(400, "payloadError", f"the content is no JSON in UTF-8: {type(error).__name__} ({str(error)[:80]})")


def written(document: Any) -> bytes:
    """Return a document as bytes."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")


def request(
    method: str, path: Sequence[str], client: str, request_id: str, document: Any = None, more: Mapping[str, str] | None = None
) -> Asked:
    """Return a request of ours. path: resource, address, ... as texts; request_id: empty for reading; more: of the query."""
    query = {"clientAddress": client, **({"talqRequestId": request_id} if request_id else {}), **(more or {})}
    headers = {"talq-api-version": words.VERSION, "accept": "application/json"}
    if document is not None:
        headers["content-type"] = "application/json"
    body = b"" if document is None else written(document)
    where = "/" + "/".join(quote(part, safe="") for part in path)
    return Asked(method, where, urlencode(query), headers, body)


def answer_document(answered: Answered) -> Any:
    """Return the document of the other side's answer, nothing where it holds none that can be read."""
    try:
        packed = answered.headers.get("content-encoding", "").strip().lower()
        return read(_unpacked(answered.body, packed)) if answered.body else None
    except RefusedError:
        return None


def told(answered: Answered) -> str:
    """Say what the other side's refusal was, in its own words cut short."""
    rows = [record_of(row) for row in rows_of(answer_document(answered))]
    texts = [str(row.get("description") or row.get("key")) for row in rows if row]
    return f"{answered.status}" + (f" ({'; '.join(texts)[:300]})" if texts else "")
