"""One server through its life, with the unmodified ``openstack`` client, and the calls that each command caused at the simulated hosts.

The test goes through it; ``python -m tests.compute_core.api.life_tour`` goes through it and records it in docs/tour.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import msgspec

from fake_xapi.control.client import Control
from fake_xapi.dom0.arrays import STANDARD
from scenarios.testrun import free_port
from tests.compute_core.api import tour
from tests.compute_core.api.tour import PATIENCE, ROOT, Client, Step, check, state

PAGE = ROOT / "docs" / "tour" / "one-server-through-its-life.md"

ROUTINE = frozenset(
    {"event.from", "host.compute_free_memory", "SR.get_physical_utilisation", "session.login_with_password", "session.logout"}
)
"""What agents ask of hosts whether anything is done or not: the events that they follow, and their heartbeats."""

PROGRESS = re.compile(r"Progress: \d*")

TRANSFERS: Mapping[str, str] = {"put_import_raw_vdi": "PUT /import_raw_vdi", "get_export_raw_vdi": "GET /export_raw_vdi"}
"""Requests that are no calls, by their names in the simulator."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """What is done with the server: a command, and what is waited for before its calls are complete."""

    title: str
    why: str
    step: Step
    until: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """A chapter, what its command has said, and what the hosts were asked meanwhile: (host, request)."""

    chapter: Chapter
    output: str
    calls: tuple[tuple[str, str], ...]


PREPARED: tuple[Step, ...] = (
    Step("image create debian --disk-format vhd --container-format bare --public --file debian.vhd -f value -c status", "active"),
    Step("flavor create m1.lab --ram 256 --disk 1 --vcpus 1 -f value -c name", "m1.lab"),
    Step("flavor create m1.big --ram 512 --disk 2 --vcpus 2 -f value -c name", "m1.big"),
    Step("volume create data --size 2 -f value -c name", "data"),
)

ACTIVE = (state("web", "ACTIVE"),)


def _image(name: str) -> tuple[Step, ...]:
    return (Step(f"image show {name} -f value -c status", until="active"), *ACTIVE)


def _volume(status: str) -> tuple[Step, ...]:
    return (Step("volume show data -f value -c status", until=status), *ACTIVE)


LIFE: tuple[Chapter, ...] = (
    Chapter(
        "Create",
        "The image is fetched into the host's SR, the root disk is a clone of it, and one `VM.create` carries what the guest is to know.",
        Step("server create web --image debian --flavor m1.lab --wait -f value -c status", "ACTIVE"),
    ),
    Chapter("Reboot", "The guest is asked first.", Step("server reboot web --wait", "Complete"), ACTIVE),
    Chapter(
        "Resize",
        "The disk goes to the host that has room for it, the VM is made of it there, and the one here is set aside until the user's word.",
        Step("server resize web --flavor m1.big --wait", "Complete"),
        (state("web", "VERIFY_RESIZE"),),
    ),
    Chapter("Confirm", "The former VM and its disk go.", Step("server resize confirm web"), ACTIVE),
    Chapter(
        "Snapshot",
        "The disk's chain goes from the host to the image service as one archive; the snapshot that it was read from goes.",
        Step("server image create web --name web-snapshot --wait -f value -c status", "active"),
        ACTIVE,
    ),
    Chapter(
        "Backup",
        "The same, and of the backups of its kind as many are kept as are asked for.",
        Step("server backup create web --name web-monday --type daily --rotate 7 --wait -f value -c name", "web-monday"),
        _image("web-monday"),
    ),
    Chapter(
        "Attach a volume",
        "The volume's target becomes an SR of the host, its LUN a VDI.",
        Step("server add volume web data -f value -c Device", "/dev/xvdb"),
        _volume("in-use"),
    ),
    Chapter(
        "Detach it",
        "The disk is unplugged, and its target forgotten.",
        Step("server remove volume web data"),
        _volume("available"),
    ),
    Chapter(
        "Live-migrate",
        "The host says whether it can, and sends memory and disk to the other one while the guest runs.",
        Step("server migrate web --live-migration --wait", "Complete"),
        ACTIVE,
    ),
    Chapter(
        "Rescue",
        "Another VM in its place, from the image, with the server's disk beside its own.",
        Step("server rescue web"),
        (state("web", "RESCUE"),),
    ),
    Chapter("Unrescue", "The server's VM runs again; the other one goes.", Step("server unrescue web"), ACTIVE),
    Chapter(
        "Rebuild",
        "A new VM from the image, under the same uuid and with the same interfaces; the former one stays until the new one stands.",
        Step("server rebuild web --image debian --wait -f value -c name", "^(Progress: [0-9]+)?Complete|web"),
        ACTIVE,
    ),
    Chapter(
        "Shelve",
        "The guest is shut down, its disk becomes an image, and the host is rid of it.",
        Step("server shelve web"),
        (state("web", "SHELVED_OFFLOADED"),),
    ),
    Chapter("Unshelve", "It is built again, from that image, wherever there is room.", Step("server unshelve web --wait"), ACTIVE),
    Chapter("Delete", "Nothing of it is left.", Step("server delete web --wait")),
)


@contextmanager
def cloud(folder: Path) -> Iterator[tuple[Client, Control]]:
    """Two simulated hosts and their control plane, the core over them, and the client; an image, flavors and a volume are there."""
    (folder / "array.json").write_bytes(msgspec.json.encode({"targets": STANDARD.targets}))
    control = free_port()
    with tour.cloud(folder, sim=f"--control-port {control} --storage array.json", core="--volumes array.json") as session:
        for step in PREPARED:
            check(session.take(step))
        yield session, Control(f"http://127.0.0.1:{control}")


def lived(session: Client, control: Control) -> Iterator[Told]:
    """Go through the server's life."""
    seen = _last(control)
    for chapter in LIFE:
        done = session.take(chapter.step)
        check(done)
        for step in chapter.until:
            check(session.take(step))
        calls = _calls(session, control, seen)
        seen = max([seen, *(number for number, _, _ in calls)])
        yield Told(chapter, PROGRESS.sub("", done.output).strip(), tuple((host, request) for _, host, request in calls))


def _calls(session: Client, control: Control, seen: int) -> list[tuple[int, str, str]]:
    """What was asked since, once nothing more comes while the client asks something else."""
    before: list[tuple[int, str, str]] = []
    for _ in range(PATIENCE):
        now = [each for each in _listed(control, seen) if each[2] not in ROUTINE]
        if now and now == before:
            return now
        before = now
        session.ask("flavor list -f value")
    return before


def _listed(control: Control, seen: int) -> list[tuple[int, str, str]]:
    found = control.calls(after=seen, limit=1000)["calls"]
    return [(each["number"], each["host"], TRANSFERS.get(each["message"], each["message"])) for each in found]


def _last(control: Control) -> int:
    return max((number for number, _, _ in _listed(control, 0)), default=0)


def changes(requests: Sequence[str]) -> list[str]:
    """Those that change something, each once where it comes several times in a row."""
    return [request for request, _ in groupby(each for each in requests if not _is_look(each))]


def _is_look(request: str) -> bool:
    return ".get_" in request or request.startswith("GET ")


def page(told: Sequence[Told]) -> str:
    """The recorded life."""
    head = [
        "# One server through its life",
        "",
        "Recorded by `python -m tests.compute_core.api.life_tour` with the unmodified python-openstackclient against two simulated hosts;",
        "a test goes through the same steps and holds the page to what changes something. Below each command stands what the agents asked",
        "of the hosts because of it, as it was answered; the events that agents follow and their heartbeats are left out.",
        "What each operation asks when nothing else is going on, and how much that may be, is in [calls](../generated/calls.md).",
        "",
        "```console",
        "$ ./inova sim serve --hosts 2 --port 8080 --profile instant --storage array.json --inventory hosts.json",
        "$ ./inova core up --inventory hosts.json --volumes array.json",
        "$ export OS_CLOUD=inova",
        *(f"$ openstack {step.command}" for step in PREPARED),
        "```",
    ]
    return "\n".join([*head, *(line for each in told for line in _section(each)), ""])


def _section(told: Told) -> Iterator[str]:
    yield from ("", f"## {told.chapter.title}", "", told.chapter.why, "", "```console", f"$ openstack {told.chapter.step.command}")
    yield from told.output.splitlines()
    yield from ("```", "")
    for (host, request), repeated in groupby(told.calls):
        times = len(list(repeated))
        yield f"1. {host}: `{request}`" + (f" x {times}" if times > 1 else "")


def recorded(text: str) -> list[tuple[str, list[str]]]:
    """The page's commands, each with its requests."""
    sections = text.split("\n## ")[1:]
    return [
        (re.findall(r"^\$ openstack (.*)$", section, re.MULTILINE)[0], re.findall(r"^1\. \S+: `([^`]+)`", section, re.MULTILINE))
        for section in sections
    ]


def record() -> None:
    """Go through the life and write the page."""
    with tempfile.TemporaryDirectory() as name, cloud(Path(name)) as (session, control):
        PAGE.write_text(page(list(lived(session, control))), encoding="utf-8")


if __name__ == "__main__":
    record()
