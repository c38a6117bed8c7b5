"""Every verb against the datamodel, and what the fifteen classes of the simulator's core do not serve yet."""

from __future__ import annotations

import inspect

import pytest

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.model import Message
from fake_xapi.verbs.registry import VERBS
from tests.fake_xapi.verbs.hosts import Host, over_host

CORE = ("pool", "host", "VM", "VM_metrics", "VM_guest_metrics", "VBD", "VDI", "VIF", "SR", "PBD", "network", "PIF", "console")
UNSERVED = 151
"""How many messages of the core are answered NOT_IMPLEMENTED. The number only falls."""


def _newest(wire_name: str) -> Message | None:
    cls, _, name = wire_name.partition(".")
    return next((message for message in datamodel().classes[cls].messages if message.name == name), None)


def _known(wire_name: str) -> bool:
    cls, _, name = wire_name.partition(".")
    old = (history.messages.get(cls, ()) for history in datamodel().historical.values())
    return _newest(wire_name) is not None or any(message.name == name for messages in old for message in messages)


@pytest.mark.parametrize("wire_name", sorted(VERBS))
def test_a_verb_is_of_a_message_and_takes_its_parameters(wire_name: str) -> None:
    assert _known(wire_name)
    message = _newest(wire_name)
    if message is not None:
        inspect.signature(VERBS[wire_name]).bind("call", *message.params)


def unserved() -> list[str]:
    """Messages of the core that no field implies and no verb serves; not those that XAPI itself refuses or hides."""
    found: list[str] = []
    for cls in CORE:
        for message in datamodel().classes[cls].messages:
            is_asked_for = message.kind in ("custom", "create", "destroy") and not message.is_pool_internal
            refused_by_xapi = message.is_removed or message.is_deprecated_stub or message.is_hidden
            if is_asked_for and not refused_by_xapi and message.wire_name not in VERBS:
                found.append(message.wire_name)
    return found


def test_what_is_not_served_only_shrinks() -> None:
    missing = unserved()
    print("\n".join(missing))  # noqa: T201  # pytest shows it with -s or on failure: the list of what is left to do
    assert len(missing) == UNSERVED


def test_what_is_not_served_is_said() -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused("host.dmesg", host.host)

    assert over_host(body) == ["NOT_IMPLEMENTED", "host.dmesg"]
