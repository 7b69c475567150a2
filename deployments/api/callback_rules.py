"""Whom a job may have told of its end, and the marks of it on the job's run."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from deployments.api.errors import ApiError
from deployments.api.settings import ApiSettings

LABEL = "tyre3d.callback"
"""The label of a run that names the address."""
PENDING, DELIVERED, GIVEN_UP = "callback:pending", "callback:delivered", "callback:given-up"
"""The tag of a run that says how far the telling is."""
PORTS = {"https": 443, "http": 80}

CallbackState = Literal["pending", "delivered", "given-up"]


def check_callback(url: str, settings: ApiSettings) -> None:
    """Make sure that a job may name this address.

    Raises:
        ApiError: 422.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        raise ApiError(422, "callback-refused", "callback_url is no address") from None
    schemes = ("https", "http") if settings.callback_private else ("https",)
    if parts.scheme not in schemes:
        message = f"callback_url must begin with {' or '.join(s + '://' for s in schemes)}"
        raise ApiError(422, "callback-refused", message)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ApiError(422, "callback-refused", "callback_url bears no user and no fragment")
    if (parts.hostname, port) not in [_host_and_port(h, parts) for h in settings.callback_hosts]:
        message = "The host of callback_url is not listed in TYRE3D_API_CALLBACK_HOSTS"
        raise ApiError(422, "callback-refused", message)


def _host_and_port(listed: str, parts: SplitResult) -> tuple[str | None, int | None]:
    host = urlsplit(f"//{listed}")
    return host.hostname, host.port or PORTS.get(parts.scheme)


def is_public(address: str) -> bool:
    """Whether an address is one of the open Internet, in whatever way it is written."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    # an IPv4 address may stand in these, perhaps a private one; in ::/8, too, which is reserved
    if isinstance(ip, ipaddress.IPv6Address) and (ip.sixtofour or ip.teredo or ip.is_site_local):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def callback_state(run: Mapping[str, Any]) -> CallbackState | None:
    """How far the telling of a job's end is, None where nobody wants to be told."""
    states: dict[str, CallbackState] = {
        PENDING: "pending",
        DELIVERED: "delivered",
        GIVEN_UP: "given-up",
    }
    return next((state for tag, state in states.items() if tag in run["tags"]), None)
