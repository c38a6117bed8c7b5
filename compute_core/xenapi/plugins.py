"""Our plugin in a host's dom0, as recipes call it: what XenAPI itself cannot do.

JSON goes in and comes out; what the plugin refuses becomes the core's own errors; calls that leave the same behind however often they
are made are repeated when their answer is lost, or when the plugin says that it may work the next time. The plugin is
``compute_core/dom0``, which runs elsewhere and is not imported here.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from compute_core.model.errors import BadImage, NotFound
from compute_core.model.json import to_json
from compute_core.model.networks import PortFilter
from compute_core.xenapi.errors import ReplyLost, TransferFailed, XenApiFailure

log = logging.getLogger(__name__)

PLUGIN = "inova"
PAUSES_S = (0.5, 2.0, 5.0)
"""Before what may be repeated is tried again."""
REPEATABLE = frozenset(
    {
        *(
            "version",
            "image_download",
            "kernel_keep",
            "kernel_list",
            "kernel_forget",
            "disk_prioritise",
            "leftovers",
            "leftovers_remove",
            "transfer_prepare",
            "transfer_send",
            "transfer_receive",
            "transfer_forget",
        ),
        *("network_plumb", "network_filter", "network_traffic", "xenstore_read", "xenstore_write", "xenstore_list"),
    }
)
"""Functions that may be called again when their answer is lost: what is done already is found done."""
SAFE_TO_RETRY = REPEATABLE | {"image_upload"}
"""Functions that may be called again when the plugin says so: an upload that failed has left the image as it was."""


class PluginRefusal(Exception):
    """The plugin did not do it, for a reason that no other error of the core stands for. ``kind`` is one of ``dom0/refusal.py``."""

    def __init__(self, function: str, kind: str, text: str) -> None:
        super().__init__(f"{function}: {kind}: {text}")
        self.function = function
        self.kind = kind
        self.text = text


class PluginMissing(PluginRefusal):
    """The host has no such plugin, or one that lacks the function: the cure is ``inova core dom0 install``."""


class AgentTimedOut(PluginRefusal):
    """The guest's agent did not answer in time: there is none, or it is not up yet."""


class GuestGone(PluginRefusal):
    """The domain went away while it was asked: the guest reboots, or is off."""


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """``accepts``: the codes with which the next request may follow (None: any, and that there is no answer, which is the code TIMEOUT).

    ``timeout_s`` None: the call's.

    What it says may be a secret, so it is not shown.
    """

    name: str
    value: Any = field(default="", repr=False)
    accepts: tuple[str, ...] | None = ("0",)
    timeout_s: float | None = None

    def described(self) -> dict[str, Any]:
        """As the plugin takes it."""
        own = {} if self.timeout_s is None else {"timeout_s": self.timeout_s}
        return {"name": self.name, "value": self.value, "accepts": self.accepts and list(self.accepts), **own}


@dataclass(frozen=True, slots=True)
class AgentReply:
    """What an agent answered."""

    returncode: str
    message: str


@dataclass(frozen=True, slots=True)
class LaidVhd:
    """A file in an SR's folder. ``parent`` is "" for the root of a chain."""

    uuid: str
    parent: str
    virtual_size: int
    physical_utilisation: int
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class KeptKernel:
    """A kernel or ramdisk in dom0. ``idle_s``: so long nobody has asked for it."""

    name: str
    size: int
    idle_s: float


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file or folder of a call that was broken off. ``idle_s``: so long nothing in it was changed."""

    path: str
    size: int
    idle_s: float


@dataclass(frozen=True, slots=True)
class Source:
    """Where an image comes from, or goes to. ``ca_file`` is dom0's, "" for its own certificates; ``timeout_s`` bounds silence."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: str = ""
    timeout_s: float = 60.0

    def described(self) -> dict[str, Any]:
        """As the plugin takes it."""
        return {"url": self.url, "headers": dict(self.headers), "ca_file": self.ca_file, "timeout_s": self.timeout_s}


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an image must be, where that is known, and what is too much."""

    size_bytes: int | None = None
    md5: str = ""
    most_bytes: int = 4 << 40
    most_virtual_bytes: int = 2040 << 30

    def described(self) -> dict[str, Any]:
        """As the plugin takes it."""
        return {
            "size_bytes": self.size_bytes, "md5": self.md5, "most_bytes": self.most_bytes, "most_virtual_bytes": self.most_virtual_bytes,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What went to the image service."""

    bytes: int
    md5: str
    virtual_size: int
    vhds: int


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where disks are sent by rsync: a host's dom0, the uuid of an SR there, and how ssh gets there. Paths are the sender's dom0's."""

    host: str
    sr: str
    user: str = "root"
    port: int = 22
    identity_file: str = ""
    known_hosts_file: str = ""

    def described(self) -> dict[str, Any]:
        """As the plugin takes it."""
        return {
            "host": self.host, "target_sr": self.sr, "user": self.user, "port": self.port, "identity_file": self.identity_file,
            "known_hosts_file": self.known_hosts_file,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Guest:
    """What a domain is to find in xenstore; None removes a path."""

    domid: int
    values: Mapping[str, str | None]


class Caller(Protocol):
    """What is needed of a session."""

    async def call(self, method: str, *params: Any) -> Any:
        """One call of XenAPI."""


@dataclass(frozen=True, slots=True)
class Dom0:
    """The plugin in the dom0 of one host. SRs and disks are named by their uuids: dom0 knows no refs.

    Every method raises NotSent, ReplyLost, XenApiFailure, PluginMissing, and PluginRefusal for what is not said otherwise.
    """

    xapi: Caller
    host: str

    async def call(self, function: str, **arguments: Any) -> Any:
        """One function of the plugin. Raises what the kind of its refusal stands for."""
        for pause_s in (*PAUSES_S, None):
            try:
                return await self._call_once(function, arguments)
            except ReplyLost:
                if pause_s is None or function not in REPEATABLE:
                    raise
            except TransferFailed:
                if pause_s is None or function not in SAFE_TO_RETRY:
                    raise
            await asyncio.sleep(pause_s)
        raise AssertionError("the last attempt answers or raises")

    async def _call_once(self, function: str, arguments: Mapping[str, Any]) -> Any:
        try:
            answer = await self.xapi.call("host.call_plugin", self.host, PLUGIN, function, {"arguments": json.dumps(arguments)})
        except XenApiFailure as failure:
            raise translated(function, failure) from failure
        return json.loads(answer)

    async def version(self) -> Mapping[str, str]:
        """What is installed: ``version``, ``python``, ``sha256``."""
        found: Mapping[str, str] = await self.call("version")
        return found

    # ---- guests ------------------------------------------------------------------------------------------------------------

    async def ask_agent(self, domid: int, request_id: str, requests: Sequence[AgentRequest], timeout_s: float = 30.0) -> list[AgentReply]:
        """What the agent in a guest answers, request by request; it stops after a code that a request does not accept.

        ``request_id`` is a name of letters, digits and dashes, another one for each call. Never repeated: passwords and keys are said
        once. Raises AgentTimedOut, GuestGone.
        """
        asked = [request.described() for request in requests]
        replies = await self.call("agent_ask", domid=domid, id=request_id, requests=asked, timeout_s=timeout_s)
        return [AgentReply(reply["returncode"], reply["message"]) for reply in replies]

    async def write_xenstore(self, domid: int, values: Mapping[str, str | None]) -> None:
        """Write values while the guest runs, all with one call; None removes a path and all below it. NotFound without the domain."""
        await self.call("xenstore_write", domid=domid, values=dict(values))

    # ---- disks -------------------------------------------------------------------------------------------------------------

    async def download(self, sr: str, uuids: Sequence[str], source: Source, limits: ImageLimits = ImageLimits()) -> list[LaidVhd]:
        """Fetch an image into an SR of files; its chain takes as many of ``uuids`` as it needs, the leaf first.

        The files are no VDIs yet: see ``vhd_chains.register``. Who repeats it with the same uuids finds it done. Raises BadImage, NotFound,
        TransferFailed.
        """
        done = await self.call("image_download", sr=sr, uuids=list(uuids), **source.described(), **limits.described())
        return [LaidVhd(**vhd) for vhd in done["vhds"]]

    async def keep_kernel(self, sr: str, vdi: str, name: str, size_bytes: int, md5: str = "") -> str:
        """Make a file of dom0 of the first bytes of a disk; its path. Raises BadImage, NotFound."""
        kept = await self.call("kernel_keep", sr=sr, vdi=vdi, name=name, size=size_bytes, md5=md5)
        return str(kept["path"])

    async def list_kernels(self) -> list[KeptKernel]:
        """The kernels and ramdisks that dom0 keeps, by name."""
        return [KeptKernel(**kernel) for kernel in await self.call("kernel_list")]

    async def forget_kernels(self, names: Sequence[str], idle_s: int) -> list[str]:
        """Remove those that nobody has asked for within the last ``idle_s`` seconds; their names."""
        gone: list[str] = await self.call("kernel_forget", names=list(names), idle_s=idle_s)
        return gone

    async def prioritise_disks(self, domid: int, devices: Sequence[int], priority: Mapping[str, str]) -> None:
        """Give disks of a running guest a priority; ``priority`` as ``qos_algorithm_params`` of a VBD. Raises NotFound."""
        await self.call("disk_prioritise", domid=domid, disks=[{"device": device, **priority} for device in devices])

    async def leftovers(self) -> list[Leftover]:
        """What calls that were broken off have left in dom0's file systems, by path."""
        return [Leftover(**left) for left in await self.call("leftovers")]

    async def remove_leftovers(self, paths: Sequence[str], idle_s: int) -> list[str]:
        """Remove those in which nothing was changed within the last ``idle_s`` seconds, and nobody works; their paths."""
        gone: list[str] = await self.call("leftovers_remove", paths=list(paths), idle_s=idle_s)
        return gone

    async def upload(self, sr: str, vdis: Sequence[str], target: Source, gzip: int = 0) -> Uploaded:
        """Send a chain, the leaf first, as the bytes of an image that waits for them. Raises NotFound, TransferFailed.

        After ReplyLost the image service knows whether it has them.
        """
        return Uploaded(**await self.call("image_upload", sr=sr, vdis=list(vdis), gzip=gzip, **target.described()))

    async def prepare_transfer(self, sr: str, label: str, needed_bytes: int = 0) -> Mapping[str, Any]:
        """On the receiving host: make the folder of a VM's disks. ``{"free_bytes", "files": {name: size}}``."""
        found: Mapping[str, Any] = await self.call("transfer_prepare", sr=sr, label=label, needed_bytes=needed_bytes)
        return found

    async def send(
        self, sr: str, disks: Mapping[int, str], receiver: Receiver, label: str, *, most_kib_s: int = 0, timeout_s: float = 21600.0
    ) -> int:
        """On the sending host: copy disks by rsync, by their places in the chain, 0 for the leaf. Returns their bytes.

        What has come already is not sent again. Raises NotFound, TransferFailed.
        """
        numbered = [{"vdi": vdi, "place": place} for place, vdi in disks.items()]
        rest = {"label": label, "most_kib_s": most_kib_s, "timeout_s": timeout_s}
        sent = await self.call("transfer_send", sr=sr, disks=numbered, **receiver.described(), **rest)
        return int(sent["bytes"])

    async def receive(self, sr: str, label: str, uuids: Sequence[str]) -> list[LaidVhd]:
        """On the receiving host: make of what has come a chain of files of the SR, one for each uuid, the leaf first. As ``download``."""
        done = await self.call("transfer_receive", sr=sr, label=label, uuids=list(uuids), count=len(uuids))
        return [LaidVhd(**vhd) for vhd in done["vhds"]]

    async def forget_transfer(self, sr: str, label: str) -> None:
        """On the receiving host: remove the folder, those called so with a dash and more behind it, and what has come."""
        await self.call("transfer_forget", sr=sr, label=label)

    # ---- network -----------------------------------------------------------------------------------------------------------

    async def plumb(self, steps: Sequence[Mapping[str, str]]) -> list[bool]:
        """Change bridges, ports and links, all or none: ``{"do": "veth-add", "device": ..., "peer": ...}``, see ``dom0/network.py``.

        Returns for each step whether it changed something.
        """
        replies = await self.call("network_plumb", steps=[dict(step) for step in steps])
        return [reply["is_changed"] for reply in replies]

    async def filter_ports(
        self, ports: Sequence[PortFilter], gone: Mapping[str, str], guests: Sequence[Guest] = (), *, is_whole: bool = False
    ) -> list[str]:  # fmt: skip
        """Keep ports to their filters, let go of others (bridges by MAC, or with ``is_whole`` all), and tell guests.

        See ``dom0/filters.py``. Returns the MACs that have no port now.
        """
        left = [{"mac": mac, "bridge": bridge} for mac, bridge in gone.items()]
        told = [{"domid": guest.domid, "values": dict(guest.values)} for guest in guests]
        answer = await self.call("network_filter", ports=to_json(ports), gone=left, guests=told, is_whole=is_whole)
        for mac, reason in answer["refused"].items():
            log.warning("port %s is not kept to its filter: %s", mac, reason)
        return [str(mac) for mac in answer["absent"]]

    async def traffic(self) -> Mapping[str, Mapping[str, int]]:
        """What has passed each guest's interface since it came up, by MAC, as the guest sees it: ``rx_bytes``, ``tx_packets`` and so on."""
        found: Mapping[str, Mapping[str, int]] = await self.call("network_traffic")
        return found


def translated(function: str, failure: XenApiFailure) -> Exception:
    """The core's own error for what the plugin refused; any other failure of XenAPI as it is."""
    match failure.details:
        case ("XENAPI_MISSING_PLUGIN", *_) | ("UNKNOWN_XENAPI_PLUGIN_FUNCTION", *_):
            return PluginMissing(function, failure.code, f"{failure}. Cure: inova core dom0 install")
        case ("XENAPI_PLUGIN_EXCEPTION", _, str(kind), str(text)):
            return _ERRORS.get(kind, PluginRefusal)(function, kind, text)
    return failure


_ERRORS: Mapping[str, Callable[[str, str, str], Exception]] = {
    "BadImage": lambda _, __, text: BadImage(f"The image is refused: {text}."),
    "NotFound": lambda _, __, text: NotFound(f"{text[:1].upper()}{text[1:]}."),
    "Retryable": lambda function, _, text: TransferFailed(f"{function}: {text}"),
    "Denied": PluginRefusal,
    "Full": lambda _, __, text: XenApiFailure(("SR_FULL", text)),
    "TimedOut": AgentTimedOut,
    "Rebooted": GuestGone,
}
"""Kind of a refusal -> error; any other is a PluginRefusal."""
