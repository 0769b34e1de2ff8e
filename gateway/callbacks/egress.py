"""Where callbacks may go: never inside, whatever a URL, a name server or a redirect says.

`check_url` looks at what is written as an endpoint is set up; names are not resolved there, since
that is network. `refusal` looks at the very address that a connection is about to be made to, so
that a name which resolves elsewhere the next time leads nowhere (DNS rebinding).

An operator lets chosen private networks in with GATEWAY_CALLBACK_NETWORKS; outside production this
machine is let in too, with any port and plain http.
"""

import socket
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import SplitResult, urlsplit

from gateway.settings import Settings, settings

Address = IPv4Address | IPv6Address

# Beyond what `ipaddress` calls private: IETF protocol assignments, 6to4 relays, Azure's wire
# server (the IANA special-purpose registries; the last is Microsoft's).
_CLOSED_4 = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")))
# Of IPv6 only global unicast is open, and of that nothing which carries an IPv4 address inside
# (Teredo in 2001::/23, 6to4 in 2002::/16) or stands in documents.
_OPEN_6 = ip_network("2000::/3")
_CLOSED_6 = tuple(map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_INNER_NAMES = ("localhost", "local", "localdomain", "internal", "intranet", "lan", "home.arpa")


class Refused(Exception):
    """In words: where this leads, and where callbacks may go."""


def check_url(url: str) -> None:
    """Raises `Refused` for what could never be sent to."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("Is not a valid address.") from None
    host = (parts.hostname or "").removesuffix(".")
    if any(not "!" <= character <= "~" or character == "\\" for character in url) or not host:
        raise Refused("Must be an absolute address such as https://shop.example/hooks.")
    if "@" in parts.netloc or parts.fragment or "#" in url:
        raise Refused("Must carry no user name and no fragment.")
    address = _literal(host)
    if _is_here(host, address) and not settings().is_production:
        if parts.scheme not in ("http", "https") or port == 0:
            raise Refused("Must be http or https, with a port from 1 to 65535.")
        return
    _check_outside(parts, host, address, port)


def _check_outside(
    parts: SplitResult, host: str, address: Address | None, port: int | None
) -> None:
    found = settings()
    if parts.scheme != "https":
        raise Refused("Must be https; http is only for this machine, outside production.")
    if port is not None and port not in found.callback_ports:
        ports = ", ".join(map(str, found.callback_ports))
        raise Refused(f"Port {port} is not for callbacks; these are: {ports}.")
    if address is not None:
        if why := refusal(str(address), port or 443):
            raise Refused(why)
    elif _is_inner_name(host, found):
        raise Refused(f"{host!r} names a machine inside; callbacks go to public ones.")


def refusal(address: str, port: int) -> str | None:
    """Why nothing is sent to this address, in words; None when it may be."""
    found = settings()
    where = ip_address(address)
    if where.is_loopback and not found.is_production:
        return None
    if port not in found.callback_ports:
        return f"Port {port} is not for callbacks."
    if any(where in network for network in _allowed(found.callback_networks)):
        return None
    if _is_public(where):
        return None
    return f"Leads inside, to {where}; callbacks go to public addresses."


@lru_cache(maxsize=4)
def _allowed(networks: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(map(ip_network, networks))


def _is_public(where: Address) -> bool:
    if isinstance(where, IPv6Address):
        return where in _OPEN_6 and not any(where in network for network in _CLOSED_6)
    closed = where.is_multicast or any(where in network for network in _CLOSED_4)
    return where.is_global and not closed


def _literal(host: str) -> Address | None:
    """The address that `host` spells, in any of the ways a resolver understands; None for a name.

    Raises `Refused` for a number that is no address: some resolver might make one of it.
    """
    try:
        return ip_address(host)
    except ValueError:
        last = host.rpartition(".")[2]
    if ":" in host or "%" in host:
        raise Refused("Is not a valid address.")
    if not (last.isdigit() or last.startswith("0x")):
        return None
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        raise Refused("Ends in a number but is no address.") from None


def _is_here(host: str, address: Address | None) -> bool:
    return host == "localhost" if address is None else address.is_loopback


def _is_inner_name(host: str, found: Settings) -> bool:
    """A name that only an inner resolver knows, unless the operator opened inner networks."""
    if host == urlsplit(found.base_url).hostname:
        return True
    if found.callback_networks:
        return False
    return "." not in host or host.endswith(tuple(f".{name}" for name in _INNER_NAMES))
