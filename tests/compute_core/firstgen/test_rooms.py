"""Which host takes a VM."""

from __future__ import annotations

import pytest

from compute_core.firstgen.bench import attributes, moved_bytes
from compute_core.firstgen.guests import Config, Guest, GuestVif, Unmovable
from compute_core.firstgen.pools import disk_bytes
from compute_core.firstgen.rooms import Need, Room, pick
from tests.compute_core.firstgen.values import some_generations

MIB = 1 << 20
BRIDGES = frozenset({"xenbr0", "xenbr1"})
NEED = Need(100 * MIB, 512 * MIB, frozenset({"xenbr0"}))


def test_the_roomiest_host_that_lacks_nothing_takes_the_vm() -> None:
    rooms = {
        "small": Room(200 * MIB, 512 * MIB, BRIDGES),
        "large": Room(300 * MIB, 512 * MIB, BRIDGES),
        "busy": Room(900 * MIB, 511 * MIB, BRIDGES),
        "lonely": Room(900 * MIB, 900 * MIB, frozenset()),
    }
    assert pick(rooms, NEED, "web") == "large"
    assert pick({**rooms, "large": rooms["large"].less(NEED).less(NEED)}, NEED, "web") == "small"


def test_without_a_host_each_host_says_what_it_lacks() -> None:
    rooms = {
        "a": Room(99 * MIB, 512 * MIB, BRIDGES),
        "b": Room(100 * MIB, 5 * MIB, BRIDGES),
        "c": Room(900 * MIB, 900 * MIB, frozenset({"xenbr1"})),
    }
    with pytest.raises(Unmovable) as refused:
        pick(rooms, NEED, "web")
    reasons = "a has 99 MiB of disk left; b has 5 MiB of memory left; c has no bridge xenbr0"
    assert str(refused.value) == f"web: no host has 100 MiB of disk, 512 MiB of memory and its bridges: {reasons}."


@pytest.mark.parametrize(("size_mib", "disk_mib"), [(24, 34), (25, 34), (1024, 1034)])
def test_a_new_disk_has_room_for_what_was_outside_and_is_whole_blocks(size_mib: int, disk_mib: int) -> None:
    config = Config("web", 64, 1, "/dev/vg/web", "sda1", (GuestVif("00:16:3e:00:00:01", "xenbr0"),))
    guest = Guest(config, "/etc/xen/web", size_mib * MIB, "ext3", "", "", is_running=True)
    assert disk_bytes(guest, some_generations(room_mib=8)) == disk_mib * MIB


@pytest.mark.parametrize(
    ("stats", "moved"),
    [
        ("Total bytes sent: 1,234\nTotal bytes received: 5,000,000\n", 5_001_234),
        ("Total bytes sent: 1234\nTotal bytes received: 5\n", 1239),
        ("", 0),
    ],
)
def test_rsync_of_any_age_tells_what_it_has_moved(stats: str, moved: int) -> None:
    assert moved_bytes(stats) == moved


OLD = "rsync  version 2.6.8  protocol version 29\nCapabilities: 64-bit files, socketpairs, hard links, symlinks,\n inplace, IPv6\n"
NEW = "rsync  version 3.2.7  protocol version 31\nCapabilities:\n    inplace, append, ACLs, xattrs, optional secluded-args\n"
WITHOUT = "rsync  version 3.0.6  protocol version 30\nCapabilities:\n    inplace, append, no ACLs, xattrs, iconv\n"


@pytest.mark.parametrize(
    ("versions", "flags"), [((NEW, NEW), ("--acls", "--xattrs")), ((NEW, OLD), ()), ((OLD, NEW), ()), ((NEW, WITHOUT), ("--xattrs",))]
)
def test_attributes_are_copied_where_both_sides_know_them(versions: tuple[str, str], flags: tuple[str, ...]) -> None:
    assert attributes(versions) == flags
