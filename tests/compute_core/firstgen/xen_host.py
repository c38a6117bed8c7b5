"""A Xen host of 2008 for tests: a real sshd, real file systems on real volumes, and VMs whose disks may be written while they run."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from compute_core.firstgen.fleet import Source
from compute_core.firstgen.shell import SshHost
from tests.compute_core.firstgen.sshd import Keys, path_with, sshd

PROGRAMS = Path(__file__).parent / "programs"
FSTAB = "/dev/sda1 / ext3 defaults 1 1\nproc /proc proc defaults 0 0\n"
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class XenHost:
    """The host: its shell, and the folder that its programs keep. ``group`` is the folder in which volumes are seen."""

    source: Source
    folder: Path
    group: Path
    environment: Mapping[str, str]

    def add_guest(self, name: str, *, size_mib: int = 24, file_system: str = "ext3", config: str = "", is_running: bool = True) -> None:
        """A VM with a system of many kinds of files."""
        volume = self.group / name
        self.run("lvcreate", "--size", f"{size_mib << 10}k", "--name", name, self.group.name)
        self.run(f"mkfs.{file_system}", "-q", "-F", "-L", "root-of-web", str(volume))
        with self.mounted(volume) as root:
            fill(root, name)
        text = config or (
            f"memory = 128\nname = '{name}'\nvcpus = 2\nkernel = '/boot/vmlinuz-2.6.18-xenU'\nroot = '/dev/sda1 ro'\n"
            f"disk = ['phy:{volume},sda1,w']\nvif = ['mac={mac_of(name)}, bridge=xenbr0, ip=10.1.2.3']\n"
        )
        path = Path(self.source.configs) / name
        path.write_text(text, encoding="utf-8")
        (path.parent / "auto").mkdir(exist_ok=True)
        (path.parent / "auto" / name).symlink_to(path)
        if is_running:
            self.run("xm", "create", str(path))

    def root_of(self, name: str) -> Path:
        """What a running VM sees as its root."""
        return self.folder / "running" / name

    def is_running(self, name: str) -> bool:
        return (self.folder / "domains" / name).exists()

    def starts_with_host(self, name: str) -> bool:
        return (Path(self.source.configs) / "auto" / name).is_symlink()

    def volumes(self) -> list[str]:
        """The names of all volumes, snapshots too."""
        return sorted(path.name for path in self.group.iterdir()) if self.group.exists() else []

    def checksum(self, name: str) -> str:
        """Of the whole volume."""
        return hashlib.sha256((self.group / name).read_bytes()).hexdigest()

    @contextmanager
    def mounted(self, volume: Path) -> Iterator[Path]:
        folder = self.folder / "mnt"
        folder.mkdir(exist_ok=True)
        self.run("mount", str(volume), str(folder))
        try:
            yield folder
        finally:
            self.run("umount", str(folder))

    def files(self, name: str) -> dict[str, tuple[object, ...]]:
        """What a VM that is off has on its disk."""
        with self.mounted(self.group / name) as root:
            return manifest(root)

    def run(self, *command: str) -> None:
        subprocess.run(command, env={**os.environ, **self.environment}, check=True, stdin=subprocess.DEVNULL, capture_output=True)


@contextmanager
def xen_host(folder: Path, keys: Keys, name: str = "xen01") -> Iterator[XenHost]:
    """A host without VMs; what is left mounted of it when the test ends is unmounted."""
    home = folder / name
    for part in ("domains", "running", "deaf", "configs"):
        (home / part).mkdir(parents=True)
    with ExitStack() as stack:
        real = Path("/dev/mapper/control").exists()
        group = stack.enter_context(volume_group(home)) if real else home / "volumes/vg0"
        programs = (PROGRAMS / "xen",) if real else (PROGRAMS / "xen", PROGRAMS / "lvm")
        environment = {"XEN": str(home), "PATH": path_with(*programs)}
        port = stack.enter_context(sshd(home / "ssh", keys, environment))
        stack.callback(unmount_below, folder)
        source = Source(SshHost(name, "127.0.0.1", port), configs=str(home / "configs"), work=str(home / "work"))
        yield XenHost(source, home, group, environment)


@contextmanager
def volume_group(folder: Path) -> Iterator[Path]:
    """Real LVM on a file, where the kernel has device-mapper: a group of its own, gone afterwards."""
    disk, name = folder / "physical.img", f"inova-test-{os.getpid()}-{folder.stat().st_ino}"
    with disk.open("wb") as file:
        file.truncate(512 * MIB)
    device = subprocess.run(["losetup", "--find", "--show", disk], check=True, capture_output=True, text=True).stdout.strip()
    try:
        for command in (["pvcreate", "--quiet", device], ["vgcreate", "--quiet", name, device]):
            subprocess.run(command, check=True, capture_output=True)
        yield Path("/dev") / name
    finally:
        subprocess.run(["vgremove", "--force", "--force", "--yes", name], check=False, capture_output=True)
        subprocess.run(["losetup", "--detach", device], check=True)


def unmount_below(folder: Path) -> None:
    """Free what a test that ended early has left mounted."""
    for mounted in reversed(mounts_below(folder)):
        subprocess.run(["umount", "--lazy", mounted], check=False)


def mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(f"{folder}/")]


def mac_of(name: str) -> str:
    return f"00:16:3e:00:00:{hashlib.sha256(name.encode()).hexdigest()[:2]}"


def fill(root: Path, name: str) -> None:
    """A small system with what copies get wrong: owners, links, holes, devices, odd names, old times."""
    for folder in ("etc", "boot/grub", "var/www", "dev", "home/user", "tmp"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/fstab").write_text(FSTAB, encoding="utf-8")
    (root / "etc/hostname").write_text(f"{name}\n", encoding="utf-8")
    (root / "var/www/index.html").write_bytes(os.urandom(300_000))
    (root / "home/user/ein Name mit ü und '").write_text("odd\n", encoding="utf-8")
    os.chown(root / "home/user", 1234, 5678)
    (root / "home/user").chmod(0o700)
    (root / "home/user/link").symlink_to("/etc/hostname")
    os.link(root / "etc/hostname", root / "etc/hostname.link")
    with (root / "var/sparse").open("wb") as sparse:
        sparse.truncate(2 * MIB)
    os.mknod(root / "dev/console", stat.S_IFCHR | 0o600, os.makedev(5, 1))
    with suppress(OSError):
        os.setxattr(root / "etc/hostname", "user.note", b"kept")
    os.utime(root / "etc/hostname", (1_200_000_000, 1_200_000_000))


def manifest(root: Path) -> dict[str, tuple[object, ...]]:
    """Every file below a folder: kind and mode, owner, what it holds, its time to the second. What file systems make is left out."""
    return {str(path.relative_to(root)): _facts(path) for path in sorted(root.rglob("*")) if "lost+found" not in path.parts}


def _facts(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    owner = (oct(status.st_mode), status.st_uid, status.st_gid)
    if stat.S_ISLNK(status.st_mode):
        return (*owner, str(path.readlink()))
    if stat.S_ISREG(status.st_mode):
        attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        return (*owner, status.st_nlink, content, int(status.st_mtime), attributes)
    return (*owner, status.st_rdev)


def why_nothing_can_be_mounted() -> str:
    """Why volumes cannot be mounted here, "" when they can: it takes root and loop devices."""
    if os.geteuid() != 0:
        return "mounting volumes takes root"
    if not Path("/dev/loop-control").exists() or shutil.which("losetup") is None:
        return "mounting files takes loop devices"
    return ""
