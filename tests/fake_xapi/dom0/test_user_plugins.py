"""Plugins and extensions that users bring: found in a folder, spoken to as XAPI speaks, and each way in which they fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fake_xapi.dom0 import script_process
from fake_xapi.dom0.user_plugins import BadPlugin, load
from fake_xapi.engine.settings import Settings
from tests.fake_xapi.verbs.kit.hosts import Host, over_host

PYTHON = """#!/usr/bin/env python3
import os, sys, xmlrpc.client
(session, args), function = xmlrpc.client.loads(sys.argv[1])
def answer(value):
    print(xmlrpc.client.dumps(({"Status": "Success", "Value": value},), methodresponse=True))
if function == "echo":
    answer("%s %s %s" % (session, args["text"], sorted(os.environ)))
elif function == "refuse":
    print(xmlrpc.client.dumps(({"Status": "Failure", "ErrorDescription": ["SR_BACKEND_FAILURE_44", "a", "b"]},), methodresponse=True))
elif function == "fail":
    print("half"); print("so sorry", file=sys.stderr); sys.exit(3)
elif function == "babble":
    print("not XML")
elif function == "entities":
    print('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e "e">]><methodResponse/>')
elif function == "bare":
    print(xmlrpc.client.dumps(("no status",), methodresponse=True))
elif function == "die":
    os.kill(os.getpid(), 9)
elif function == "sleep":
    import time; time.sleep(30)
"""
EXTENSION = """#!/usr/bin/env python3
import sys, xmlrpc.client
assert sys.argv[1] == "--xmlrpc"
params, name = xmlrpc.client.loads(sys.stdin.read())
if len(params) > 1 and params[1] == "bad":
    print(xmlrpc.client.dumps(({"Status": "Failure", "ErrorDescription": ["INVALID_VALUE", "amount", "bad"]},), methodresponse=True))
else:
    print(xmlrpc.client.dumps(({"Status": "Success", "Value": {"name": name, "given": list(params[1:])}},), methodresponse=True))
"""
MODULE = """
def greet(host_uuid, args):
    return f"hello {args['name']} from {host_uuid}"

def fail(host_uuid, args):
    raise LookupError("nothing there")

def _hidden(host_uuid, args):
    return "never"
"""


def _script(path: Path, content: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    _script(tmp_path / "mine", PYTHON)
    _script(tmp_path / "extensions" / "billing.charge", EXTENSION)
    (tmp_path / "words.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / ".hidden").write_text("x", encoding="utf-8")
    return Settings(plugins=load(tmp_path))


def _call(settings: Settings, plugin: str, function: str, **args: str) -> Any:
    async def body(host: Host) -> tuple[Any, str, str]:
        answer = await host.call("host.call_plugin", host.host, plugin, function, args)
        return answer, host.kit.session, host.world.uuid(host.id(host.host))

    return over_host(body, settings=settings)


def _refused(settings: Settings, plugin: str, function: str) -> list[str]:
    async def body(host: Host) -> list[str]:
        return await host.refused("host.call_plugin", host.host, plugin, function, {})

    return over_host(body, settings=settings)


def test_a_script_gets_the_call_and_next_to_no_environment(settings: Settings) -> None:
    answer, session, _ = _call(settings, "mine", "echo", text="ä<&")
    said, text, environment = answer.split(" ", 2)
    assert (said, text) == (session, "ä<&")
    own = {"DOM0_COMMANDS", "DOM0_ROOT", "LANG", "PATH", "PYTHONPATH"}
    assert own <= set(eval(environment)) <= {*own, "LC_CTYPE"}


def test_a_module_is_called_in_process(settings: Settings) -> None:
    answer, _, uuid = _call(settings, "words", "greet", name="Ada")
    assert answer == f"hello Ada from {uuid}"
    assert _call(settings, "words.py", "greet", name="Ada")[0] == answer


@pytest.mark.parametrize(
    ("plugin", "function", "refusal"),
    [
        ("mine", "refuse", ["SR_BACKEND_FAILURE_44", "a", "b"]),
        ("mine", "fail", ["XENAPI_PLUGIN_FAILURE", "non-zero exit", "half\n", "so sorry\n"]),
        ("mine", "die", ["XENAPI_PLUGIN_FAILURE", "killed by signal", "", ""]),
        ("mine", "bare", ["XENAPI_PLUGIN_FAILURE", "output has no status", "no status", ""]),
        ("words", "fail", ["XENAPI_PLUGIN_EXCEPTION", "fail", "LookupError", "nothing there"]),
        ("words", "_hidden", ["UNKNOWN_XENAPI_PLUGIN_FUNCTION", "_hidden"]),
        ("words", "other", ["UNKNOWN_XENAPI_PLUGIN_FUNCTION", "other"]),
        ("mine.py", "echo", ["XENAPI_MISSING_PLUGIN", "mine.py"]),
        (".hidden", "echo", ["XENAPI_MISSING_PLUGIN", ".hidden"]),
        ("../mine", "echo", ["XENAPI_MISSING_PLUGIN", "../mine"]),
    ],
)
def test_what_goes_wrong_is_said_as_xapi_says_it(settings: Settings, plugin: str, function: str, refusal: list[str]) -> None:
    assert _refused(settings, plugin, function) == refusal


@pytest.mark.parametrize("function", ["babble", "entities", "nothing"])
def test_output_that_is_no_response_is_shown(settings: Settings, function: str) -> None:
    code, what, *_ = _refused(settings, "mine", function)
    assert (code, what) == ("XENAPI_PLUGIN_FAILURE", "output not XML-RPC")


def test_a_script_that_takes_too_long_is_killed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_process, "SILENCE_S", 0.2)
    assert _refused(settings, "mine", "sleep") == ["XENAPI_PLUGIN_FAILURE", "timeout", "", "killed after 0.2 seconds of silence"]


def test_a_script_that_cannot_be_run_is_said(tmp_path: Path) -> None:
    _script(tmp_path / "broken", "#!/no/such/interpreter\n")
    code, what, output, text = _refused(Settings(plugins=load(tmp_path)), "broken", "f")
    assert (code, what, output) == ("XENAPI_PLUGIN_FAILURE", "cannot run", "")
    assert "No such file or directory" in text


@pytest.mark.parametrize("content", ["def broken(:\n", "import no_such_module\n", "x = 1\n", "raise ValueError('no')\n"])
def test_a_module_that_is_none_is_refused_at_the_start(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.py").write_text(content, encoding="utf-8")
    with pytest.raises(BadPlugin, match=r"bad\.py: "):
        load(tmp_path)


def test_an_extension_is_a_message_of_the_api(settings: Settings) -> None:
    async def body(host: Host) -> None:
        pool = host.world.ref(next(host.world.ids("pool")))
        assert await host.call("billing.charge", "eur", 3) == {"name": "billing.charge", "given": ["eur", 3]}
        assert await host.refused("billing.charge", "bad") == ["INVALID_VALUE", "amount", "bad"]
        assert await host.refused("billing.refund") == ["MESSAGE_METHOD_UNKNOWN", "billing.refund"]
        assert await host.kit.raw_refused("billing.charge", "nobody") == ["SESSION_INVALID", "nobody"]
        assert await host.kit.raw_refused("billing.charge") == ["MESSAGE_METHOD_UNKNOWN", "billing.charge"]
        found = [await host.call("host.has_extension", host.host, name) for name in ("billing.charge", "billing.refund")]
        assert (
            found == [await host.call("pool.has_extension", pool, name) for name in ("billing.charge", "billing.refund")] == [True, False]
        )

    over_host(body, settings=settings)


def test_an_extension_is_called_on_a_host(settings: Settings) -> None:
    async def body(host: Host) -> None:
        call = json.dumps({"method": "billing.charge", "params": [host.kit.session, "usd"], "id": 1})
        assert json.loads(await host.call("host.call_extension", host.host, call)) == {"name": "billing.charge", "given": ["usd"]}
        unknown = json.dumps({"method": "billing.refund"})
        assert await host.refused("host.call_extension", host.host, unknown) == ["MESSAGE_METHOD_UNKNOWN", "billing.refund"]
        assert await host.refused("host.call_extension", host.host, "{") == ["INTERNAL_ERROR", "Jsonrpc.Malformed_method_request({)"]

    over_host(body, settings=settings)


def test_releases_before_2014_know_no_extensions(settings: Settings) -> None:
    async def body(host: Host) -> None:
        assert await host.refused("billing.charge", "eur") == ["MESSAGE_METHOD_UNKNOWN", "billing.charge"]

    over_host(body, "clearwater", settings=settings)
