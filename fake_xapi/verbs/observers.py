"""Observation, rate limits and network controllers: the classes Observer, Caller, Rate_limit and SDN_controller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.downloads import web_address
from fake_xapi.state.ids import NULL, Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.setters import writes

COMPONENTS = frozenset({"xapi", "xenopsd", "xapi-clusterd", "smapi"})
BUGTOOL = "bugtool"
SDN_PORT = 6632


def _is_endpoint(text: str) -> bool:
    return text == BUGTOOL or web_address(text) is not None


def _is_attribute(key: str) -> bool:
    return bool(key) and all(char.isascii() and (char.isalnum() or char in "._") and not char.isupper() for char in key)


def _checked(field: str, shown: str, is_good: Callable[[str], bool]) -> Verb:
    """Make a setter that raises INVALID_VALUE [shown, value] for the first invalid member."""

    def write(call: Call, observer: Id, value: Sequence[str] | Mapping[str, str]) -> None:
        for member in value:
            if not is_good(member):
                raise Failure("INVALID_VALUE", shown, member)
        with call.world.edit() as edit:
            edit.set(observer, **{field: dict(value) if isinstance(value, Mapping) else tuple(dict.fromkeys(value))})

    return write


def set_hosts(call: Call, observer: Id, hosts: Sequence[Id]) -> None:
    """Set which hosts are observed; none means all."""
    with call.world.edit() as edit:
        edit.set(observer, hosts=tuple(dict.fromkeys(hosts)))


def register(call: Call, observer: Id, host: Id) -> None:
    """Observe one more host."""
    watched = call.world[observer]["hosts"]
    set_hosts(call, observer, (*watched, host))


def unregister(call: Call, observer: Id, host: Id) -> None:
    """Stop observing a host."""
    set_hosts(call, observer, [one for one in call.world[observer]["hosts"] if one != host])


def add_group(call: Call, caller: Id, group: str) -> None:
    """Add a caller to a group; INVALID_VALUE ["group", ""] for an empty name."""
    if not group:
        raise Failure("INVALID_VALUE", "group", group)
    with call.world.edit() as edit:
        edit.set(caller, groups=tuple(dict.fromkeys((*edit[caller]["groups"], group))))


def remove_group(call: Call, caller: Id, group: str) -> None:
    """Remove a caller from a group."""
    with call.world.edit() as edit:
        edit.set(caller, groups=tuple(one for one in edit[caller]["groups"] if one != group))


def add_caller(call: Call, limit: Id, caller: Id) -> None:
    """Put a caller under a limit, instead of the one that applied before."""
    with call.world.edit() as edit:
        edit.set(caller, rate_limit=limit)


def remove_caller(call: Call, limit: Id, caller: Id) -> None:
    """Remove a caller from a limit, if it is under it."""
    if call.world[caller]["rate_limit"] == limit:
        with call.world.edit() as edit:
            edit.set(caller, rate_limit=NULL)


def _positive(field: str) -> Verb:
    """Make a setter for a number that must be above 0; INVALID_VALUE [field, value]."""

    def write(call: Call, limit: Id, value: float) -> None:
        if not value > 0:
            raise Failure("INVALID_VALUE", field, str(value))
        with call.world.edit() as edit:
            edit.set(limit, **{field: value})

    return write


def introduce_controller(call: Call, protocol: str = "ssl", address: str = "", port: int = 0) -> Id:
    """Introduce a controller of the switches: they connect to it (ssl) or it connects to them (pssl).

    OPERATION_NOT_ALLOWED [why] for a second one, or for an address with pssl; INVALID_IP_ADDRESS_SPECIFIED, INVALID_VALUE ["port", port].
    """
    if call.world.count("SDN_controller"):
        raise Failure("OPERATION_NOT_ALLOWED", "SDN controller has been configured. Please forget it first.")
    if protocol == "pssl" and address:
        raise Failure("OPERATION_NOT_ALLOWED", "Passive SSL: the address should be blank")
    if protocol == "ssl" and not _is_ip(address):
        raise Failure("INVALID_IP_ADDRESS_SPECIFIED", "address")
    if not 0 <= port < 65536:
        raise Failure("INVALID_VALUE", "port", str(port))
    with call.world.edit() as edit:
        return edit.create("SDN_controller", protocol=protocol, address=address, port=port or SDN_PORT)


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def forget_controller(call: Call, controller: Id) -> None:
    """Leave the switches without a controller."""
    with call.world.edit() as edit:
        edit.destroy(controller)


VERBS: Mapping[str, Verb] = {
    "Observer.register": register,
    "Observer.unregister": unregister,
    "Observer.set_hosts": set_hosts,
    "Observer.set_enabled": writes("enabled"),
    "Observer.set_attributes": _checked("attributes", "attributes", _is_attribute),
    "Observer.set_endpoints": _checked("endpoints", "endpoint", _is_endpoint),
    "Observer.set_components": _checked("components", "component", COMPONENTS.__contains__),
    "Caller.add_group": add_group,
    "Caller.remove_group": remove_group,
    "Rate_limit.add_caller": add_caller,
    "Rate_limit.remove_caller": remove_caller,
    "Rate_limit.set_burst_size": _positive("burst_size"),
    "Rate_limit.set_fill_rate": _positive("fill_rate"),
    "SDN_controller.introduce": introduce_controller,
    "SDN_controller.forget": forget_controller,
}
