"""The callers of the plugin in dom0: what its refusals become, and what is asked again."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from compute_core.dom0 import refusal
from compute_core.dom0.functions import FUNCTIONS
from compute_core.model.errors import BadImage, NotFound
from compute_core.xenapi import plugins
from compute_core.xenapi.errors import NotSent, ReplyLost, TransferFailed, XenApiFailure
from compute_core.xenapi.plugins import (
    AgentTimedOut,
    Dom0,
    GuestGone,
    ImageLimits,
    LaidVhd,
    PluginMissing,
    PluginRefusal,
    Receiver,
    Source,
    Uploaded,
)
from fake_xapi.engine.virtual_time import run_virtual


class Answers:
    """A XenAPI that gives answers in turn, and keeps what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def call(self, method: str, *params: Any) -> Any:
        host, plugin, function, arguments = params
        assert (method, host, plugin, list(arguments)) == ("host.call_plugin", "h", "inova", ["arguments"])
        self.asked.append((function, json.loads(arguments["arguments"])))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return json.dumps(answer)


def _called(function: str, *answers: Any) -> tuple[Any, list[str], float]:
    """The result or the error of a call, what was asked for it, and how long it took."""
    xapi = Answers(*answers)

    async def body() -> tuple[Any, float]:
        try:
            found = await Dom0(xapi, "h").call(function, a=1)
        except (PluginRefusal, ReplyLost, NotSent, XenApiFailure, TransferFailed, BadImage, NotFound) as problem:
            found = problem
        return found, asyncio.get_running_loop().time()

    found, took_s = run_virtual(body())
    assert not xapi.answers
    return found, [asked for asked, _ in xapi.asked], took_s


def _failure(kind: str, text: str = "so it is") -> XenApiFailure:
    return XenApiFailure(["XENAPI_PLUGIN_EXCEPTION", "f", kind, text])


LOST = ReplyLost("host.call_plugin", "lost")
BECOMES: dict[str, tuple[type[Exception], str]] = {
    refusal.BAD_ARGUMENTS: (PluginRefusal, "f: BadArguments: so it is"),
    refusal.BAD_IMAGE: (BadImage, "The image is refused: so it is."),
    refusal.NOT_FOUND: (NotFound, "So it is."),
    refusal.DENIED: (PluginRefusal, "f: Denied: so it is"),
    refusal.RETRYABLE: (TransferFailed, "f: so it is"),
    refusal.FULL: (XenApiFailure, "SR_FULL [so it is]"),
    refusal.TIMED_OUT: (AgentTimedOut, "f: TimedOut: so it is"),
    refusal.REBOOTED: (GuestGone, "f: Rebooted: so it is"),
    refusal.FAILED: (PluginRefusal, "f: Failed: so it is"),
    "ZeroDivisionError": (PluginRefusal, "f: ZeroDivisionError: so it is"),
}


@pytest.mark.parametrize("kind", BECOMES)
def test_each_kind_of_refusal_is_an_error_of_the_core(kind: str) -> None:
    error, text = BECOMES[kind]
    found, asked, _ = _called("f", _failure(kind))
    assert (type(found), str(found), asked) == (error, text, ["f"])


def test_every_kind_that_the_plugin_knows_is_in_the_table() -> None:
    kinds = {value for name, value in vars(refusal).items() if name.isupper()}
    assert kinds == set(BECOMES) - {"ZeroDivisionError"}


def test_a_host_without_the_plugin_or_with_an_old_one_is_told_with_the_cure() -> None:
    for details in (["XENAPI_MISSING_PLUGIN", "inova"], ["UNKNOWN_XENAPI_PLUGIN_FUNCTION", "f"]):
        found, _, _ = _called("f", XenApiFailure(details))
        assert (type(found), str(found).endswith("Cure: inova core dom0 install")) == (PluginMissing, True)


def test_other_failures_stay_as_they_are() -> None:
    for details in (["HOST_OFFLINE", "h"], ["XENAPI_PLUGIN_FAILURE", "non-zero exit", "", ""], ["XENAPI_PLUGIN_EXCEPTION", "f"]):
        failure = XenApiFailure(details)
        assert _called("f", failure)[0] is failure


def test_the_tables_name_functions_of_the_plugin() -> None:
    assert set(FUNCTIONS) >= plugins.SAFE_TO_RETRY
    assert set(FUNCTIONS) - plugins.SAFE_TO_RETRY == {"agent_ask"}


@pytest.mark.parametrize("function", sorted(plugins.SAFE_TO_RETRY))
def test_what_may_work_the_next_time_is_tried_again_after_pauses(function: str) -> None:
    found, asked, took_s = _called(function, _failure("Retryable"), _failure("Retryable"), {"done": True})
    assert (found, asked, took_s) == ({"done": True}, [function] * 3, 2.5)
    found, asked, took_s = _called(function, *[_failure("Retryable")] * 4)
    assert (type(found), asked, took_s) == (TransferFailed, [function] * 4, 7.5)


@pytest.mark.parametrize("function", sorted(plugins.REPEATABLE))
def test_a_lost_answer_is_asked_for_again_where_that_does_nothing_twice(function: str) -> None:
    assert _called(function, LOST, 7)[:2] == (7, [function] * 2)
    assert _called(function, LOST, LOST, LOST, LOST)[:2] == (LOST, [function] * 4)


@pytest.mark.parametrize("function", ["agent_ask", "image_upload"])
def test_a_lost_answer_of_what_cannot_be_repeated_is_told(function: str) -> None:
    assert _called(function, LOST)[:2] == (LOST, [function])


def test_what_never_arrived_is_not_repeated_here_and_no_refusal_of_an_agent_is() -> None:
    never = NotSent("host.call_plugin", "nobody there")
    assert _called("version", never)[:2] == (never, ["version"])
    assert _called("agent_ask", _failure("Retryable"))[1] == ["agent_ask"]


def test_arguments_and_results_travel_whole() -> None:
    vhd = {"uuid": "u", "parent": "", "virtual_size": 1, "physical_utilisation": 2, "is_hidden": False}
    sent = {"bytes": 1, "md5": "m", "virtual_size": 2, "vhds": 3}
    xapi = Answers({"vhds": [vhd], "bytes": 3}, sent, {"bytes": 9, "files": 1}, {"vhds": [vhd]}, None)
    where = {"url": "http://i", "headers": {"X-Auth-Token": "t"}, "ca_file": "/ca", "timeout_s": 5.0}
    source, receiver = Source("http://i", {"X-Auth-Token": "t"}, "/ca", 5.0), Receiver("h2", "sr2", "u", 23, "/key", "/known")

    async def body() -> list[Any]:
        dom0 = Dom0(xapi, "h")
        found: list[Any] = [
            await dom0.download("sr", ["u"], source, ImageLimits(3, "m", 4, 5)),
            await dom0.upload("sr", ["u"], source, 1),
            await dom0.send("sr", {0: "u"}, receiver, "l", most_kib_s=7, timeout_s=8.0),
            await dom0.receive("sr", "l", ["u"]),
        ]
        await dom0.forget_transfer("sr", "l")
        return found

    laid = [LaidVhd("u", "", 1, 2, False)]
    assert run_virtual(body()) == [laid, Uploaded(1, "m", 2, 3), 9, laid]
    limits = {"size_bytes": 3, "md5": "m", "most_bytes": 4, "most_virtual_bytes": 5}
    ssh = {"host": "h2", "target_sr": "sr2", "user": "u", "port": 23, "identity_file": "/key", "known_hosts_file": "/known"}
    assert xapi.asked == [
        ("image_download", {"sr": "sr", "uuids": ["u"], **where, **limits}),
        ("image_upload", {"sr": "sr", "vdis": ["u"], "gzip": 1, **where}),
        ("transfer_send", {"sr": "sr", "disks": [{"vdi": "u", "place": 0}], **ssh, "label": "l", "most_kib_s": 7, "timeout_s": 8.0}),
        ("transfer_receive", {"sr": "sr", "label": "l", "uuids": ["u"], "count": 1}),
        ("transfer_forget", {"sr": "sr", "label": "l"}),
    ]
