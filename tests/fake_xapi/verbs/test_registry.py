"""Every verb against the datamodel, and what is declined."""

from __future__ import annotations

import inspect

import pytest

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.model import Message
from fake_xapi.datamodel.personality import personality
from fake_xapi.verbs.declined import DECLINED
from fake_xapi.verbs.registry import VERBS
from tests.fake_xapi.engine.test_accessors import sample
from tests.fake_xapi.verbs.kit.hosts import Host, over_host


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


@pytest.mark.parametrize("name", ["host.bugreport_upload", "host_crashdump.upload"])
def test_what_is_declined_is_refused_as_the_table_says(name: str) -> None:
    async def body(host: Host) -> list[str]:
        crash = host.kit.make("host_crashdump", host=host.id(host.host))
        return await host.refused(name, host.host if name.startswith("host.") else crash, "ftp://nowhere", {})

    assert over_host(body) == [DECLINED[name].code, name]


REFUSED = {
    message.wire_name: ["MESSAGE_REMOVED"] if message.is_removed else ["MESSAGE_DEPRECATED"]
    for message in personality().messages.values()
    if message.is_removed or message.is_deprecated_stub
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_xapi_has_removed_is_refused_before_anything_is_looked_at(name: str) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused(name, *(sample(param.type) for param in personality().messages[name].params))

    assert over_host(body) == REFUSED[name]
