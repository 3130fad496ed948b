# SPDX-License-Identifier: Apache-2.0
"""Who may ask: pages of this server only, under a name of this machine, and control only from the machine itself."""

import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
        "connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def host_fault(headers: Mapping[str, str]) -> str | None:
    """Return why a request's Host is not ours, or None: a foreign name that points here is how pages of others
    would read this one (DNS rebinding)."""
    host = _bare(headers.get("host", ""))
    if host in ("localhost", socket.gethostname().lower()) or _is_address(host):
        return None
    return f"this server answers under its address, localhost or its machine's name, not under {host!r}"


def origin_fault(headers: Mapping[str, str]) -> str | None:
    """Return why a request that changes something does not come from our own page, or None."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        return f"the request comes from {origin}, and control is taken from this server's own page only"
    site = headers.get("sec-fetch-site")
    if site not in (None, "same-origin", "none"):
        return f"the browser says that the request is {site}, and control is taken from this server's own page only"
    return None


def peer_fault(peer: str | None) -> str | None:
    """Return why control is not taken from a peer, or None: only the machine itself may operate the city."""
    if peer is not None and _is_address(peer) and ipaddress.ip_address(peer).is_loopback:
        return None
    return f"control is taken from the machine itself only, and {peer} is another; look at the page there"


def _bare(host: str) -> str:
    name = host.lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
