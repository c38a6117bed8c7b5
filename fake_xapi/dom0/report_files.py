"""The files of a host's control domain that go into bug reports, log bundles and backups, made of what its database says.

Names are paths without the leading slash. May not know how they are packed, nor who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from fake_xapi.guest.console_log import console_text
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.hosts import dom0_files
from fake_xapi.verbs.hosts.host_diagnostics import dmesg, get_log, get_thread_diagnostics

Files = Iterator[tuple[str, str]]
INVENTORY = "etc/xensource-inventory"
RELEASE_KEY = "PRODUCT_VERSION"


def inventory(world: World, host: Id) -> str:
    """What an installation says of itself."""
    row = world[host]
    software, domain = row["software_version"], row["control_domain"]
    told = {
        "PRODUCT_BRAND": software.get("product_brand", ""),
        RELEASE_KEY: software.get("product_version", ""),
        "BUILD_NUMBER": software.get("build_number", ""),
        "INSTALLATION_UUID": world.uuid(host),
        "CONTROL_DOMAIN_UUID": world.uuid(domain) if domain else "",
        "MANAGEMENT_INTERFACE": next((world[world[pif]["network"]]["bridge"] for pif in row["PIFs"] if world[pif]["management"]), ""),
    }
    return "".join(f"{key}='{value}'\n" for key, value in told.items())


def _installation(call: Call, host: Id) -> Files:
    yield INVENTORY, inventory(call.world, host)


def _logs(call: Call, host: Id) -> Files:
    yield "var/log/xensource.log", get_log(call, host)
    yield "var/log/xapi-tasks.log", get_thread_diagnostics(call, host)


def _kernel(call: Call, host: Id) -> Files:
    yield "var/log/xen/hypervisor.log", dmesg(call, host)


def _versions(call: Call, host: Id) -> Files:
    software = call.world[host]["software_version"]
    yield "versions.out", "".join(f"{key}: {value}\n" for key, value in sorted(software.items()))


def _hardware(call: Call, host: Id) -> Files:
    world, row = call.world, call.world[host]
    yield "cpuinfo.out", "".join(f"{key}: {value}\n" for key, value in sorted(row["cpu_info"].items()))
    devices = (world[pci] for pci in sorted(row["PCIs"]))
    yield "lspci.out", "".join(f"{one['pci_id']} {one['class_name']}: {one['vendor_name']} {one['device_name']}\n" for one in devices)


def _network(call: Call, host: Id) -> Files:
    pifs = (call.world[pif] for pif in sorted(call.world[host]["PIFs"]))
    yield "ifconfig.out", "".join(f"{one['device']} {one['MAC']} mtu {one['MTU']} inet {one['IP']} {one['netmask']}\n" for one in pifs)


def _storage(call: Call, host: Id) -> Files:
    world = call.world
    pbds = [world[pbd] for pbd in sorted(world[host]["PBDs"])]
    yield (
        "pbds.out",
        "".join(
            f"{world.uuid(one['SR'])} {world[one['SR']]['type']} {'attached' if one['currently_attached'] else 'detached'}\n"
            for one in pbds
        ),
    )


def _domains(call: Call, host: Id) -> Files:
    world = call.world
    rows = sorted((world[vm]["domid"], world.uuid(vm), world[vm]["power_state"]) for vm in world[host]["resident_VMs"])
    yield "xl-list.out", "".join(f"{domid} {uuid} {state}\n" for domid, uuid, state in rows)


def _consoles(call: Call, host: Id) -> Files:
    world = call.world
    for vm in sorted(world[host]["resident_VMs"]):
        if not world[vm]["is_control_domain"]:
            yield f"var/log/xen/guest/console.{world[vm]['domid']}", console_text(world, vm)


def _configuration(call: Call, host: Id) -> Files:
    """What was written to dom0, but for keys and secrets."""
    rows = sorted((row["path"], row["content"]) for _, row in call.world.rows("dom0_file") if row["host"] in (0, host))
    return ((path.lstrip("/"), content) for path, content in rows if not _is_secret(path, content))


def _is_secret(path: str, content: str) -> bool:
    return "PRIVATE KEY" in content or any(word in path for word in ("ptoken", "secret", "passw", "shadow"))


REPORTED: Mapping[str, tuple[Callable[[Call, Id], Files], ...]] = {
    "firstboot": (_configuration,),
    "hardware-info": (_hardware,),
    "kernel-info": (_kernel,),
    "disk-info": (_storage,),
    "network-status": (_network,),
    "process-list": (_domains,),
    "vncterm": (_consoles,),
    "xen-info": (_versions,),
    "xenserver-install": (_installation,),
    "xenserver-logs": (_logs,),
}
"""What a bug report holds under each of its entries; the others have no files here."""
LOGS = (_logs, _kernel, _consoles)
BACKED_UP = (_installation, _configuration)


def files_of(call: Call, host: Id, makers: Iterable[Callable[[Call, Id], Files]]) -> Iterator[tuple[str, bytes]]:
    """The files that some makers make, with their bytes."""
    for maker in makers:
        for name, text in maker(call, host):
            yield name, text.encode("utf-8", "surrogateescape")


def note_restored(call: Call, host: Id, digest: str) -> None:
    """Remember which backup was put onto a host's backup partition: it takes over at an installation, and changes nothing before."""
    with call.world.edit() as edit:
        dom0_files.write(call.world, edit, "/var/backup/restored.sha256", f"{digest}\n", host)
