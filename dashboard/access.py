"""Who may see the page, and as what: tokens with roles, or a role that a trusted proxy vouches for."""

import ipaddress
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final

from dashboard.views import ROLES, Role
from sources.gateway.tokens import Tokens, read_tokens
from streaming.errors import ConfigError

COOKIE: Final = "smartbank_token"
_OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a request shows of whoever sends it."""

    address: str
    host: str
    authorization: str | None
    cookie: str | None
    headers: Mapping[str, str]
    """By their names in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The rules. Nobody is let in whom none of them names."""

    tokens: Tokens | None = None
    proxy_header: str = ""
    proxies: Sequence[IPv4Network | IPv6Network] = ()
    open_role: Role | None = None
    """Of everybody on this machine, where the page listens for nobody else."""

    def role_of(self, request: Request) -> Role | None:
        """The role of whoever sends a request; None: they must sign in."""
        if self.proxy_header and self.comes_by_proxy(request):
            return _role(request.headers.get(self.proxy_header.lower()))
        if self.tokens is not None:
            shown = request.authorization or (request.cookie and f"Bearer {request.cookie}")
            return self.role_of_token(shown or None)
        # A page elsewhere may give its own name our address (DNS rebinding): it must not read along.
        is_own_name = request.host.rsplit(":", 1)[0] in _OWN_NAMES or request.host in _OWN_NAMES
        return self.open_role if is_own_name else None

    def role_of_token(self, authorization: str | None) -> Role | None:
        """The role of a token, as a header `Bearer TOKEN`; all take the same time."""
        sender = self.tokens.sender(authorization) if self.tokens else None
        return None if sender is None else _role(sender.device_id)

    def comes_by_proxy(self, request: Request) -> bool:
        """Whether a request comes from an address that is trusted to say who sends it."""
        address = ipaddress.ip_address(request.address)
        return any(address in network for network in self.proxies)


def read_role_tokens(path: Path) -> Tokens:
    """Read lines `desk:TOKEN` and `analyst:TOKEN`: the gateway's form, with roles for devices.

    Raises ConfigError that names the file and what is wrong, never a token.
    """
    tokens = read_tokens(path)
    if any(_role(sender.device_id) is None for sender in tokens.senders.values()):
        raise ConfigError(f"{path}: wanted lines {' and '.join(f'{role}:TOKEN' for role in ROLES)} only")
    return tokens


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses or networks with commas between them. Raises ConfigError where one is none."""
    try:
        return tuple(ipaddress.ip_network(each.strip()) for each in text.split(",") if each.strip())
    except ValueError as error:
        raise ConfigError(
            f"SMARTBANK_DASHBOARD_TRUSTED_PROXIES: {error}; wanted 10.0.0.7 or 10.0.0.0/24, with commas"
        ) from None


class Attempts:
    """Wrong tokens by address: so many a minute, then none is looked at. Bounded."""

    _MOST: Final = 10
    _WINDOW_S: Final = 60.0
    _ADDRESSES: Final = 1000

    def __init__(self) -> None:
        self._failed: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def are_too_many(self, address: str, now_s: float) -> bool:
        """Whether an address has to wait."""
        began_s, count = self._failed.get(address, (now_s, 0))
        return count >= self._MOST and now_s - began_s < self._WINDOW_S

    def failed(self, address: str, now_s: float) -> None:
        """Count a wrong token."""
        began_s, count = self._failed.pop(address, (now_s, 0))
        if now_s - began_s >= self._WINDOW_S:
            began_s, count = now_s, 0
        self._failed[address] = (began_s, count + 1)
        if len(self._failed) > self._ADDRESSES:
            self._failed.popitem(last=False)


def _role(name: str | None) -> Role | None:
    return next((role for role in ROLES if role == name), None)
