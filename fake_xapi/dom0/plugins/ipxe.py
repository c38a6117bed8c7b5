"""The plugin ``ipxe``: a boot medium learns the address of its guest, since no DHCP server will tell it."""

from __future__ import annotations

from fake_xapi.dom0 import iso9660_write
from fake_xapi.dom0.iso9660 import read_file
from fake_xapi.dom0.plugins.place import Dom0, PluginError, no_such_file
from fake_xapi.verbs.disks import storage

SCRIPT = "IPXE.TXT"
LOADER = "ISOLINUX.CFG"
_KERNEL = "IPXE.KRN"
_MOST_KERNEL = 8 << 20


def inject(  # noqa: PLR0917  # as its callers send them
    dom0: Dom0, sr_path: str, vdi_uuid: str, boot_menu_url: str, ip_address: str, netmask: str, gateway: str, dns: str, mkisofs_cmd: str
) -> None:
    """Make the medium anew with a script that sets the address and loads a menu. PluginError for a medium that is not there."""
    sr, vdi = dom0.sr_at(sr_path), dom0.world.by_uuid("VDI", vdi_uuid)
    if not vdi or dom0.world[vdi]["SR"] != sr:
        raise no_such_file(f"{sr_path}/{vdi_uuid}.img")
    content = _medium(dom0, vdi, _script(boot_menu_url, ip_address, netmask, gateway, dns))
    store = dom0.call.disks
    if len(content) > dom0.world[vdi]["virtual_size"]:
        raise PluginError(f"the medium has no room for {len(content)} bytes", "Exception")
    if vdi not in store:
        store.create(vdi, dom0.world[vdi]["virtual_size"])
    store.write(vdi, 0, content)
    with dom0.world.edit() as edit:
        storage.measure(dom0.call, edit, vdi)


def _medium(dom0: Dom0, vdi: int, script: str) -> bytes:
    """An image with the kernel that was on it, and a loader that gives it the script."""
    loader = f"SAY iPXE\nTIMEOUT 30\nDEFAULT ipxe.krn\nLABEL ipxe.krn\n KERNEL {_KERNEL}\n INITRD {SCRIPT}\n"
    return iso9660_write.image({_KERNEL: _kernel(dom0, vdi), LOADER: loader.encode(), SCRIPT: script.encode()}, "iPXE")


def _kernel(dom0: Dom0, vdi: int) -> bytes:
    store = dom0.call.disks
    if vdi not in store:
        return b""
    size = store[vdi].size
    found = read_file(lambda start, count: store.read(vdi, start, count) if start + count <= size else b"", _KERNEL, _MOST_KERNEL)
    return found or b""


def _script(menu: str, address: str, netmask: str, gateway: str, dns: str) -> str:
    settings = {"net0/ip": address, "net0/netmask": netmask, "net0/gateway": gateway, "dns": dns}
    lines = [f"set {key} {value}" for key, value in settings.items()]
    return "\n".join(["#!ipxe", *lines, "ifopen net0", f"chain {menu}", ""])
