"""A real Open vSwitch without a kernel: its database and its daemon in a folder, with ports that tests send packets into."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from compute_core.dom0.machine import Machine, Ran
from scenarios.prerequisites import find

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
LIMIT_S = 20.0
_TX = re.compile(r"tx pkts=(\d+)")


@dataclass(slots=True)
class Switch:
    """One switch. ``ports`` are the numbers of ports by name."""

    folder: Path
    bridge: str = "xenbr0"
    ports: dict[str, int] = field(default_factory=dict)
    last: int = 0

    def machine(self) -> Machine:
        """A dom0 that has this switch; its files are in the folder."""
        (self.folder / "root").mkdir(exist_ok=True)
        return Machine(str(self.folder / "root"), self._runs, lambda _: None, lambda: 0.0)

    def _runs(self, command: tuple[str, ...], limit_s: float) -> Ran:
        """Files of dom0 are named by their real paths to real programs."""
        words = [f"{self.folder}/root{word}" if word.startswith("/tmp/inova-flows-") else word for word in command]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=limit_s, env=self.environment())
        return Ran(done.returncode, done.stdout, done.stderr)

    def environment(self) -> Mapping[str, str]:
        return {**os.environ, **dict.fromkeys(("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"), str(self.folder))}

    def ask(self, *command: str) -> str:
        ran = self._runs(command, LIMIT_S)
        assert ran.code == 0, (command, ran.err)
        return ran.out

    def plug(self, name: str, mac: str = "") -> None:
        """One more port; of a guest with a MAC."""
        self.last += 1
        number = self.last
        ids = [f'external-ids:attached-mac="{mac}"'] if mac else []
        kind = ["--", "set", "Interface", name, "type=dummy", f"ofport_request={number}", *ids]
        self.ask("ovs-vsctl", "add-port", self.bridge, name, *kind)
        self.ports[name] = number

    def unplug(self, name: str) -> None:
        self.ask("ovs-vsctl", "del-port", self.bridge, name)
        del self.ports[name]

    def send(self, port: str, packet: str) -> set[str]:
        """Let a packet come in at a port; the ports at which it goes out."""
        before = self._sent()
        self.ask("ovs-appctl", "-t", "ovs-vswitchd", "netdev-dummy/receive", port, f"in_port({self.ports[port]}),{packet}")
        return {name for name, count in self._sent().items() if count > before[name]}

    def _sent(self) -> dict[str, int]:
        return {name: self._sent_at(number) for name, number in self.ports.items()}

    def _sent_at(self, number: int) -> int:
        found = _TX.search(self.ask("ovs-ofctl", "dump-ports", self.bridge, str(number)))
        assert found is not None
        return int(found[1])

    def flows(self) -> list[str]:
        """The flows that the switch has, without counts."""
        lines = self.ask("ovs-ofctl", "dump-flows", self.bridge).splitlines()[1:]
        return [re.sub(r"(duration|n_packets|n_bytes|idle_age|hard_age)=[^,]*, ", "", line.strip()) for line in lines]


@contextmanager
def switch(folder: Path) -> Iterator[Switch]:
    """A switch with one bridge and an uplink, while it is needed."""
    folder.mkdir()
    made = Switch(folder)
    made.ask("ovsdb-tool", "create", f"{folder}/conf.db", SCHEMA)
    with _running(made, "ovsdb-server", f"--remote=punix:{folder}/db.sock", f"{folder}/conf.db"):
        made.ask("ovs-vsctl", "--no-wait", "init")
        with _running(made, "ovs-vswitchd", f"unix:{folder}/db.sock", "--enable-dummy", "--disable-system", "--disable-system-route"):
            made.ask("ovs-vsctl", "add-br", made.bridge, "--", "set", "bridge", made.bridge, "datapath_type=dummy", "fail-mode=standalone")
            made.plug("uplink")
            yield made


@contextmanager
def _running(made: Switch, name: str, *words: str) -> Iterator[None]:
    """A program while it is needed. It goes into the background when it is ready, and says under which number."""
    path, pid_file = find(name), made.folder / f"{name}.pid"
    assert path is not None, f"{name} is not installed"
    made.ask(str(path), "--detach", f"--pidfile={pid_file}", f"--log-file={made.folder}/{name}.log", *words)
    try:
        yield
    finally:
        os.kill(int(pid_file.read_text(encoding="utf-8")), signal.SIGTERM)
