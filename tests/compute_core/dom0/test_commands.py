"""The functions that run commands: xenstore and network, over commands that a test answers; and the seam to the machine itself."""

from __future__ import annotations

import json
import socket
import sys
import threading
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compute_core.dom0 import network_steps, refusal
from compute_core.dom0.functions import FUNCTIONS
from compute_core.dom0.machine import Machine, Ran, ask_simulator, machine_here, run_process
from compute_core.dom0.protocol import answer
from compute_core.dom0.refusal import Refusal
from tests.compute_core.dom0.local import call, dom0_in, refused

DONE = Ran(0, "", "")
TOP = "/local/domain/5"


class Xenstore:
    """The commands of xenstore over a map; ``notice`` sees what is written."""

    def __init__(self, **values: str) -> None:
        self.values = {f"{TOP}/{path}": value for path, value in {"domid": "5", **values}.items()}
        self.notice: Callable[[str, str], None] = lambda _, __: None
        self.asked: list[tuple[str, ...]] = []
        self.watch: Callable[[tuple[str, ...]], Ran] = lambda _: Ran(127, "", "xenstore-watch: command not found")

    def __call__(self, command: tuple[str, ...]) -> Ran:
        self.asked.append(command)
        if command[0] == "timeout":
            return self.watch(command)
        name, dashes, *words = command
        assert dashes == "--"
        return {"xenstore-read": self._read, "xenstore-write": self._write, "xenstore-rm": self._remove, "xenstore-list": self._list}[name](
            words
        )

    def _read(self, words: list[str]) -> Ran:
        missing = [word for word in words if word not in self.values]
        if missing:
            return Ran(1, "", f"xenstore-read: couldn't read path {missing[0]}\n")
        return Ran(0, "".join(f"{self.values[word]}\n" for word in words), "")

    def _write(self, words: list[str]) -> Ran:
        self.values[words[0]] = words[1]
        self.notice(words[0], words[1])
        return DONE

    def _remove(self, words: list[str]) -> Ran:
        gone = [path for path in self.values if path == words[0] or path.startswith(f"{words[0]}/")]
        for path in gone:
            del self.values[path]
        return DONE if gone else Ran(1, "", f"xenstore-rm: could not remove path {words[0]}\n")

    def _list(self, words: list[str]) -> Ran:
        inside = {path.removeprefix(f"{words[0]}/").split("/")[0] for path in self.values if path.startswith(f"{words[0]}/")}
        if not inside and words[0] not in self.values:
            return Ran(1, "", f"xenstore-list: could not list path {words[0]}\n")
        return Ran(0, "".join(f"{name}\n" for name in sorted(inside)), "")


# ---- xenstore ------------------------------------------------------------------------------------------------------------------


def test_a_list_costs_one_read_for_all_values(tmp_path: Path) -> None:
    store = Xenstore(**{"a/b": "1", "a/c/d": "2"})
    assert call(dom0_in(tmp_path, store), "xenstore_list", domid=5, path="a") == {"b": "1", "c/d": "2"}
    assert [command[0] for command in store.asked].count("xenstore-read") == 1 + len(["b", "c", "c/d"])
    flat = Xenstore(**{"a/b": "1", "a/c": "2"})
    assert call(dom0_in(tmp_path, flat), "xenstore_list", domid=5, path="a") == {"b": "1", "c": "2"}
    assert [command[0] for command in flat.asked].count("xenstore-read") == 1
    assert call(dom0_in(tmp_path, flat), "xenstore_list", domid=5, path="none") == {}


def test_a_daemon_that_fails_is_no_missing_path(tmp_path: Path) -> None:
    machine = dom0_in(tmp_path, lambda command: Ran(1, "", "xs_open: Connection refused"))
    said = "failed with code 1: xs_open: Connection refused"
    assert refused(machine, "xenstore_read", domid=5, path="a") == ("Failed", f"xenstore-read {said}")
    assert refused(machine, "xenstore_list", domid=5, path="a") == ("Failed", f"xenstore-list {said}")


@pytest.mark.parametrize("said", ["couldn't read path x", "could not read path x", "Couldn't reach path x", "x: ENOENT", "not found"])
def test_each_release_says_that_a_path_is_missing_in_its_own_way(tmp_path: Path, said: str) -> None:
    assert call(dom0_in(tmp_path, lambda _: Ran(1, "", said)), "xenstore_read", domid=5, path="a") is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"domid": "5", "path": "a"},
        {"domid": 5, "path": "../6/a"},
        {"domid": 5, "path": "a//b"},
        {"domid": 5, "path": "/a"},
        {"domid": 5, "path": "a b"},
        {"domid": 5, "path": ""},
        {"domid": 5, "path": "a" * 1025},
        {"domid": 5},
    ],
)
def test_a_path_leads_nowhere_but_below_the_domain(tmp_path: Path, arguments: dict[str, Any]) -> None:
    assert refused(dom0_in(tmp_path), "xenstore_read", **arguments)[0] == "BadArguments"


@pytest.mark.parametrize("values", [None, {"a": 1}, {"a": "x" * 2049}, {"../6": "x"}])
def test_nothing_is_written_when_one_value_cannot_be(tmp_path: Path, values: Any) -> None:
    assert refused(dom0_in(tmp_path), "xenstore_write", domid=5, values=values)[0] == "BadArguments"


# ---- network -------------------------------------------------------------------------------------------------------------------

FIELDS = {
    "bridge": "br0", "interface": "if0", "device": "v0", "peer": "v1", "port": "p0", "delay": "0", "stp": "off", "state": "up",
    "promiscuous": "on", "mtu": "1500", "tag": "7", "kbps": "1000", "external_ids": "iface-id=x,attached-mac=fa:16:3e:00:00:01",
}  # fmt: skip
OVS = ("ovs-vsctl", "--timeout=20")
LINK = ("ip", "link", "set", "dev")
COMMANDS: dict[str, list[tuple[str, ...]]] = {
    "bridge-add": [("brctl", "addbr", "br0")],
    "bridge-delete": [(*LINK, "br0", "down"), ("brctl", "delbr", "br0")],
    "bridge-delay": [("brctl", "setfd", "br0", "0")],
    "bridge-stp": [("brctl", "stp", "br0", "off")],
    "bridge-add-interface": [("brctl", "addif", "br0", "if0")],
    "bridge-delete-interface": [("brctl", "delif", "br0", "if0")],
    "veth-add": [("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")],
    "link-delete": [("ip", "link", "delete", "dev", "v0")],
    "link-set": [(*LINK, "v0", "up")],
    "link-promiscuous": [(*LINK, "v0", "promisc", "on")],
    "link-mtu": [(*LINK, "v0", "mtu", "1500")],
    "ovs-add-bridge": [(*OVS, "--may-exist", "add-br", "br0")],
    "ovs-delete-bridge": [(*OVS, "--if-exists", "del-br", "br0")],
    "ovs-add-port": [
        (*OVS, "--may-exist", "add-port", "br0", "p0", "tag=7", "--", "set", "Interface", "p0", 'external-ids:iface-id="x"',
         'external-ids:attached-mac="fa:16:3e:00:00:01"'),
    ],
    "ovs-delete-port": [(*OVS, "--if-exists", "del-port", "br0", "p0")],
    "ovs-limit": [(*OVS, "set", "Interface", "p0", "ingress_policing_rate=1000", "ingress_policing_burst=100")],
}  # fmt: skip
DELETES = frozenset({"bridge-delete", "bridge-delete-interface", "link-delete", "ovs-delete-bridge"})


def _is_look(command: tuple[str, ...]) -> bool:
    return "show" in command or "br-exists" in command


def _step(name: str) -> dict[str, str]:
    return {"do": name, **{field: FIELDS[field] for field in network_steps.STEPS[name].needs}}


@pytest.mark.parametrize("name", network_steps.STEPS)
def test_each_step_is_its_commands_and_nothing_when_it_is_done(tmp_path: Path, name: str) -> None:
    asked: list[tuple[str, ...]] = []

    def commands(exists: bool) -> Callable[[tuple[str, ...]], Ran]:
        def run(command: tuple[str, ...]) -> Ran:
            if _is_look(command):
                return Ran(0, "it is there", "") if exists else Ran(1, "", "no such device")
            asked.append(command)
            return DONE

        return run

    before, after = (commands(name in DELETES), commands(name not in DELETES))
    assert call(dom0_in(tmp_path, before), "network_plumb", steps=[_step(name)]) == [{"is_changed": True, "out": ""}]
    assert asked == COMMANDS[name]
    asked.clear()
    [reply] = call(dom0_in(tmp_path, after), "network_plumb", steps=[_step(name)])
    can_see = network_steps.STEPS[name].is_done is not network_steps._unknown
    assert (reply["is_changed"], bool(asked)) == (not can_see, not can_see)


def test_a_port_needs_neither_tag_nor_ids(tmp_path: Path) -> None:
    asked: list[tuple[str, ...]] = []

    def commands(command: tuple[str, ...]) -> Ran:
        asked.append(command)
        return DONE

    call(dom0_in(tmp_path, commands), "network_plumb", steps=[{"do": "ovs-add-port", "bridge": "br0", "port": "p0"}])
    assert asked == [(*OVS, "--may-exist", "add-port", "br0", "p0")]


@pytest.mark.parametrize(
    "step",
    [
        {"do": "reboot"},
        {"do": "bridge-add"},
        {"do": "bridge-add", "bridge": "-x"},
        {"do": "bridge-add", "bridge": "a b"},
        {"do": "bridge-add", "bridge": "a" * 16},
        {"do": "bridge-add", "bridge": "a;b"},
        {"do": "bridge-add", "bridge": "a", "also": "b"},
        {"do": "link-set", "device": "a", "state": "sideways"},
        {"do": "ovs-add-port", "bridge": "a", "port": "b", "tag": "0"},
        {"do": "ovs-add-port", "bridge": "a", "port": "b", "external_ids": 'a="b" -- del-br a'},
        {"bridge": "a"},
    ],
)
def test_a_step_that_is_not_allowed_stops_all_before_the_first(tmp_path: Path, step: dict[str, str]) -> None:
    assert refused(dom0_in(tmp_path), "network_plumb", steps=[_step("bridge-add"), step])[0] == "BadArguments"


def test_what_cannot_be_taken_back_is_told(tmp_path: Path) -> None:
    def commands(command: tuple[str, ...]) -> Ran:
        fails = _is_look(command) or "delete" in command or command[:2] == ("brctl", "setfd") or "delbr" in command
        return Ran(1, "", "it does not") if fails else DONE

    steps = [_step("bridge-add"), _step("veth-add"), _step("bridge-delay")]
    kind, text = refused(dom0_in(tmp_path, commands), "network_plumb", steps=steps)
    assert (kind, text) == (
        "Failed",
        "step 2: brctl failed with code 1: it does not; left: ip link delete dev v0; left: brctl delbr br0",
    )


def test_a_step_that_fails_half_way_is_taken_back_too(tmp_path: Path) -> None:
    asked: list[tuple[str, ...]] = []

    def commands(command: tuple[str, ...]) -> Ran:
        asked.append(command)
        return Ran(1, "", "busy") if "delbr" in command else DONE

    assert refused(dom0_in(tmp_path, commands), "network_plumb", steps=[_step("bridge-delete")])[0] == "Failed"
    assert asked[-1] == (*LINK, "br0", "up")


# ---- the seam and the protocol -------------------------------------------------------------------------------------------------


def test_commands_of_the_system_are_run_without_a_shell(tmp_path: Path) -> None:
    assert run_process(("printf", "%s", "a b; $HOME"), 5.0) == Ran(0, "a b; $HOME", "")
    assert run_process(("sh", "-c", "echo no >&2; exit 3"), 5.0) == Ran(3, "", "no\n")
    assert run_process(("sleep", "5"), 0.1) == Ran(124, "", "killed after 0.1 seconds")
    assert run_process((str(tmp_path / "nothing"),), 1.0).code == 127


def test_a_real_dom0_is_the_system_and_a_simulated_one_is_asked(tmp_path: Path) -> None:
    assert machine_here({}).path("/x") == "/x"
    address = str(tmp_path / "s")
    seen: list[Any] = []

    def serve(listener: socket.socket) -> None:
        for reply in ([0, "out", ""], [1, "", "err"], [0, "", ""]):
            with listener.accept()[0] as wire:
                seen.append(json.loads(b"".join(iter(lambda: wire.recv(4096), b""))))
                wire.sendall(json.dumps(reply).encode())

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(address)
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        machine = machine_here({"DOM0_COMMANDS": address, "DOM0_ROOT": "/r"})
        assert machine.run("a", "b") == "out"
        with pytest.raises(Refusal, match="c failed with code 1: err"):
            machine.run("c")
        machine.pauses(0.5)
        thread.join()
    assert [words for words, _ in seen] == [["a", "b"], ["c"], ["sleep", "0.5"]]
    assert machine.sr("u") == "/r/run/sr-mount/u"
    with pytest.raises(OSError, match=r"No such file|refused"):
        ask_simulator(str(tmp_path / "nobody"), ("a",), 1.0)


def _answered(machine: Machine, function: str, arguments: Any, *, is_json: bool = True) -> Any:
    text = json.dumps(arguments) if is_json else arguments
    request = xmlrpc.client.dumps(("OpaqueRef:s", {"arguments": text, "host_uuid": "u"}), function)
    (response,), _ = xmlrpc.client.loads(answer(request, FUNCTIONS, machine))
    return response


def test_the_protocol_is_xapis(tmp_path: Path) -> None:
    machine = dom0_in(tmp_path, Xenstore(name="web"))
    assert _answered(machine, "xenstore_read", {"domid": 5, "path": "name"}) == {"Status": "Success", "Value": '"web"'}
    failures = {
        "other": _answered(machine, "frobnicate", {}),
        "no json": _answered(machine, "version", "{", is_json=False),
        "no object": _answered(machine, "version", []),
        "refused": _answered(machine, "xenstore_read", {}),
    }
    assert {name: failure["ErrorDescription"][:3] for name, failure in failures.items()} == {
        "other": ["UNKNOWN_XENAPI_PLUGIN_FUNCTION", "frobnicate"],
        "no json": ["XENAPI_PLUGIN_EXCEPTION", "", "BadArguments"],
        "no object": ["XENAPI_PLUGIN_EXCEPTION", "", "BadArguments"],
        "refused": ["XENAPI_PLUGIN_EXCEPTION", "xenstore_read", "BadArguments"],
    }


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (OSError(28, "No space left on device"), refusal.FULL),
        (OSError(5, "I/O error"), refusal.FAILED),
        (ZeroDivisionError("\x01x"), "ZeroDivisionError"),
    ],
)
def test_what_nobody_foresaw_is_handed_on(tmp_path: Path, raised: Exception, kind: str) -> None:
    def fails(_: tuple[str, ...]) -> Ran:
        raise raised

    code, function, found, text = _answered(dom0_in(tmp_path, fails), "xenstore_read", {"domid": 5, "path": "a"})["ErrorDescription"]
    assert (code, function, found, text) == ("XENAPI_PLUGIN_EXCEPTION", "xenstore_read", kind, str(raised).replace("\x01", "?"))


def test_started_without_a_call_it_says_what_it_is() -> None:
    done = run_process((sys.executable, "-m", "compute_core.dom0"), 30.0)
    assert (done.code, "host.call_plugin starts it" in done.err) == (1, True)
