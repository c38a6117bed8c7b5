"""The tour with the unmodified ``openstack`` client: two simulated hosts, the core over them, and a session from login to goodbye.

The test goes through it; ``python -m tests.compute_core.api.tour`` goes through it and records it in docs/tour.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scenarios import image
from scenarios.testrun import free_port

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "tour" / "openstack-client.md"
PATIENCE = 200
"""How often a state is asked for before it counts as never coming."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the client. ``until``: it is repeated until its output holds this; ``shows``: what its output must match."""

    command: str
    shows: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """A step and what came of it."""

    step: Step
    code: int
    output: str


def state(server: str, status: str) -> Step:
    """Wait until a server is in a state."""
    return Step(f"server show {server} -f value -c status", until=status)


CHAPTERS: tuple[tuple[str, tuple[Step, ...]], ...] = (
    (
        "Who am I, and what is there?",
        (
            Step("token issue -f value -c project_id", "^[0-9a-f]{32}$"),
            Step("catalog list", "nova .* compute"),
            Step("compute service list -c Binary -c Host -c Status -c State", "nova-compute .* enabled .* up"),
            Step("hypervisor list --long -c 'Hypervisor Hostname' -c 'Host IP' -c State -c vCPUs -c 'Memory MB'", "up"),
            Step("availability zone list", "nova .* available"),
            Step("network list -c Name -c Subnets", "private"),
        ),
    ),
    (
        "An image, a flavor, a key",
        (
            Step(
                "image create debian --disk-format vhd --container-format bare --public --file debian.vhd -c id -c status -c size", "active"
            ),
            Step("image list", "debian .* active"),
            Step("image show debian -c disk_format -c virtual_size -c visibility", "public"),
            Step("image save debian --file again.vhd"),
            Step("flavor create m1.lab --ram 256 --disk 1 --vcpus 1 -c name -c ram -c disk -c vcpus", "m1.lab"),
            Step("flavor list -c Name -c RAM -c Disk -c VCPUs", "m1.lab"),
            Step("keypair create laptop --private-key laptop.pem -c name -c type", "laptop"),
            Step("limits show --absolute -f value", "keypairs 100"),
        ),
    ),
    (
        "A server's life",
        (
            Step(
                "server create web --image debian --flavor m1.lab --key-name laptop --property role=front --wait -c name -c status",
                "ACTIVE",
            ),
            Step("server create batch --image debian --flavor m1.lab --nic none --min 2 --max 2 -c name", "batch-1"),
            Step("server list -c Name -c Status -c Networks -c Image -c Flavor", "web .* ACTIVE .* private=10"),
            Step("server show web -c name -c addresses -c flavor -c key_name -c properties -c OS-EXT-STS:vm_state", "role='front'"),
            Step("console log show web --lines 3"),
            Step("server stop web"),
            state("web", "SHUTOFF"),
            Step("server start web"),
            state("web", "ACTIVE"),
            Step("server reboot web --wait", "Complete"),
            Step("server reboot web --hard --wait", "Complete"),
            Step("server pause web"),
            state("web", "PAUSED"),
            Step("server unpause web"),
            state("web", "ACTIVE"),
            Step("server suspend web"),
            state("web", "SUSPENDED"),
            Step("server resume web"),
            state("web", "ACTIVE"),
        ),
    ),
    (
        "A snapshot, and a server from it",
        (
            Step("server image create web --name web-snapshot --wait -c name -c status", "active"),
            Step("server create second --image web-snapshot --flavor m1.lab --wait -c name -c status", "ACTIVE"),
        ),
    ),
    (
        "Goodbye",
        (
            Step("server delete web second batch-1 batch-2 --wait"),
            Step("server list -f value", "^$"),
            Step("image delete web-snapshot debian"),
            Step("keypair delete laptop"),
            Step("flavor delete m1.lab"),
        ),
    ),
)


@dataclass(slots=True)
class Client:
    """One process of the client, asked again and again."""

    process: subprocess.Popen[str]
    done: list[Done] = field(default_factory=list)

    def ask(self, command: str) -> tuple[int, str]:
        """One command: its exit code and output."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["code"], answer["output"]

    def take(self, step: Step) -> Done:
        """Go one step of the tour."""
        code, output = self.ask(step.command)
        for _ in range(PATIENCE if step.until else 0):
            if step.until in output:
                break
            code, output = self.ask(step.command)
        done = Done(step, code, output)
        self.done.append(done)
        return done


def check(done: Done) -> None:
    """A step must succeed and show what it is for."""
    assert done.code == 0, done
    assert done.step.until in done.output, done
    assert re.search(done.step.shows, done.output, re.MULTILINE), done


@contextmanager
def serving(arguments: Sequence[str], folder: Path) -> Iterator[str]:
    """A command of ours that serves, from its line ``ready`` on (which it gives); asked to end it must end with 0."""
    command = [sys.executable, "-m", "scenarios.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            line = next((line for line in process.stdout if line.startswith("ready")), "")
            assert line, f"{arguments} ended with {process.wait()} before it was ready"
            yield line
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    assert process.returncode == 0, arguments


@contextmanager
def client(folder: Path) -> Iterator[Client]:
    """The client, by the folder's ``clouds.yaml``."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OS_CLIENT_CONFIG_FILE": str(folder / "clouds.yaml"), "OS_CLOUD": "inova"}
    command = [sys.executable, "-m", "tests.compute_core.api.openstack_session"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Client(process)


@contextmanager
def cloud(folder: Path, *, hosts: int = 2, sim: str = "", core: str = "", profile: str = "instant") -> Iterator[Client]:
    """Simulated hosts, the core over them, an image to build from, and the client. ``sim`` and ``core`` are further options of each.

    ``profile`` says what takes how long.
    """
    image.make(folder / "debian.vhd")
    simulate = f"sim serve --hosts {hosts} --port {free_port()} --profile {profile} --inventory hosts.json {sim}"
    with ExitStack() as stack:
        stack.enter_context(serving(simulate.split(), folder))
        stack.enter_context(serving(f"core up --inventory hosts.json --port 0 {core}".split(), folder))
        yield stack.enter_context(client(folder))


def ask_core(folder: Path, *words: str) -> tuple[int, str]:
    """One of our own commands: its exit code, and what it says."""
    command, environment = [sys.executable, "-m", "scenarios.cli", "core", *words], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def page(done: Sequence[Done]) -> str:
    """The recorded tour."""
    parts = [
        "# A session with the `openstack` client",
        "",
        "Recorded by `python -m tests.compute_core.api.tour` with the unmodified python-openstackclient; a test goes",
        "through the same steps.",
        "In one terminal there are two simulated hosts, in another the core over them:",
        "",
        "```console",
        "$ ./inova sim serve --hosts 2 --port 8080 --profile instant --inventory hosts.json",
        "$ ./inova core up --inventory hosts.json",
        "$ export OS_CLOUD=inova",
        "```",
    ]
    remaining = iter(done)
    for title, steps in CHAPTERS:
        parts += ["", f"## {title}", "", "```console"]
        for _ in steps:
            told = next(remaining)
            parts += [f"$ openstack {told.step.command}", *([told.output.rstrip()] if told.output.strip() else [])]
        parts.append("```")
    return "\n".join(parts) + "\n"


def record() -> None:
    """Go through the tour and write the page."""
    with tempfile.TemporaryDirectory() as name, cloud(Path(name)) as session:
        for _, steps in CHAPTERS:
            for step in steps:
                check(session.take(step))
        PAGE.write_text(page(session.done), encoding="utf-8")


if __name__ == "__main__":
    record()
