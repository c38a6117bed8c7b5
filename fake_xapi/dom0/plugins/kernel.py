"""The plugin ``kernel``: kernels and ramdisks of paravirtual guests as files in dom0's folder of guests."""

from __future__ import annotations

from fake_xapi.dom0.plugins import vhd_files
from fake_xapi.dom0.plugins.place import Args, Dom0, PluginError, need, number
from fake_xapi.state.ids import Id

FOLDER = "/boot/guest"
_MOST_BYTES = 64 << 20


def copy_vdi(dom0: Dom0, args: Args) -> str:
    """Copy the beginning of a VDI into a file; its name comes back. Args: vdi-ref, image-size, cached-image."""
    vdi = dom0.world.find_ref(need(args, "vdi-ref"))
    row = dom0.world.get(vdi) if vdi else None
    if row is None or row.cls != "VDI":
        raise PluginError(f"['HANDLE_INVALID', 'VDI', '{args['vdi-ref']}']", "Failure")
    size = int(number(args, "image-size", "0"))
    if size > min(row["virtual_size"], _MOST_BYTES):
        raise PluginError(f"an image of {size} bytes is too large", "Exception")
    name = f"{FOLDER}/{dom0.world.uuid(vdi)}"
    for path in filter(None, (name, _cached(args))):
        _copy(dom0, vdi, path, size)
    return name


def _cached(args: Args) -> str:
    cached = args.get("cached-image", "")
    return _path(cached) if cached and cached != "None" else ""


def _path(name: str) -> str:
    """A file of the folder, named by itself or with the folder before it."""
    base = name.removeprefix(f"{FOLDER}/")
    if "/" in base or base in ("", ".", ".."):
        raise PluginError(f"Invalid filename: {name}")
    return f"{FOLDER}/{base}"


def _copy(dom0: Dom0, source: Id, path: str, size: int) -> None:
    store = dom0.call.disks
    with dom0.world.edit() as edit:
        named = vhd_files.staged_path(dom0, path)
        file = vhd_files.find(dom0, path) or edit.create("dom0_vhd", path=named)
        edit.set(file, size=size)
    if source in store:
        store.clone(source, file)
        store.resize(file, size)
    else:
        store.create(file, size)


def create_kernel_ramdisk(dom0: Dom0, args: Args) -> str:
    """Copy a cached file under another name; "" when it is not cached. Args: cached-image, new-image-uuid."""
    cached, new = vhd_files.find(dom0, _path(need(args, "cached-image"))), _path(need(args, "new-image-uuid"))
    if not cached:
        return ""
    _copy(dom0, cached, new, dom0.world[cached]["size"])
    return new


def remove_kernel_ramdisk(dom0: Dom0, args: Args) -> str:
    """Remove the files; those that are not there are no error. Args: kernel-file, ramdisk-file."""
    for name in ("kernel-file", "ramdisk-file"):
        file = vhd_files.find(dom0, _path(args[name])) if args.get(name, "None") not in ("", "None") else 0
        if file:
            vhd_files.unstage(dom0.call, file)
    return "ok"
