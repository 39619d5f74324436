"""Where a host name leads: looked up once, checked, and then used, so that what was checked is what is connected to."""

import asyncio
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

NAT64: Final = IPv6Network("64:ff9b::/96")
UNICAST: Final = IPv6Network("2000::/3")
"""All of IPv6 that is given out for the internet; what lies outside stands for something else, or for nothing yet."""
NOWHERE: Final = IPv6Network("3fff::/20")
"""Of documentation, which older versions of Python do not know."""


class NoAddress(Exception):
    """There is no address for this host."""


class PrivateAddress(Exception):
    """The host is in a private network, on this machine, or nowhere on the internet."""


async def address_of(host: str, port: int | None, *, allow_private: bool) -> str:
    """An address of a host, as text.

    Raises:
        NoAddress: there is none.
        PrivateAddress: one of its addresses is not of the internet, and that is not allowed.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NoAddress(host) from None
    addresses = [str(entry[4][0]) for entry in found]
    if not allow_private and not all(is_public(address) for address in addresses):
        raise PrivateAddress(host)
    return addresses[0]


def is_public(text: str) -> bool:
    """Whether an address is one of the internet, whatever form it is written in."""
    return all(_is_public(one) for one in _meant(ip_address(text.partition("%")[0])))


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and (address in NOWHERE or (address not in UNICAST and address not in NAT64)):
        return False
    return address.is_global and not address.is_multicast


def _meant(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """An address, and the IPv4 addresses it stands for."""
    yield address
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped
        if address.sixtofour is not None:
            yield address.sixtofour
        if address in NAT64:
            yield IPv4Address(int(address) & 0xFFFFFFFF)
