"""The options of ``core up`` about networks, called as the members of ``Settings``."""

from __future__ import annotations

import re
from ipaddress import IPv4Network

import click

from compute_core.model.networks import Filtering
from compute_core.settings import DEFAULT_NETWORK

_BRIDGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
_LEAST_ADDRESSES = 16
FILTERINGS: tuple[Filtering, ...] = ("locking", "flows", "none")


def _networks(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    return tuple(map(_network, given)) or (DEFAULT_NETWORK,)


def _network(text: str) -> tuple[str, str, str]:
    label, bridge, cidr = [*text.split(":"), "", ""][:3]
    try:
        is_large_enough = IPv4Network(cidr).num_addresses >= _LEAST_ADDRESSES
    except ValueError:
        is_large_enough = False
    if not label or not _BRIDGE.fullmatch(bridge) or not is_large_enough or text.count(":") > 2:
        raise click.BadParameter(f"{text!r} is not LABEL:BRIDGE:CIDR with at least 16 addresses, as private:xenbr0:10.0.0.0/12 is.")
    return label, bridge, cidr


NETWORK_OPTIONS = (
    click.option(
        "--network", "networks", multiple=True, metavar="LABEL:BRIDGE:CIDR", callback=_networks,
        help="A network of servers, by the bridge of the hosts that carries it; the first one is for servers that name none. "
        f"[default: {':'.join(DEFAULT_NETWORK)}]",
    ),
    click.option(
        "--filtering", type=click.Choice(FILTERINGS), default="locking", show_default=True,
        help="How hosts keep servers to their addresses: XenServer's own locks, flows for security groups, or not at all.",
    ),
    click.option(
        "--rxtx-base", "rxtx_base_kib_s", type=click.IntRange(0), default=0, metavar="KIB_S", show_default=True,
        help="What an interface may send of a flavor with rxtx factor 1, in KiB/s; 0: as much as it likes.",
    ),
)  # fmt: skip
