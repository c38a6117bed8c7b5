"""The two machines of every move: a Xen host of 2008 and the one in which new disks are filled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from compute_core.firstgen.shell import SshHost
from tests.compute_core.firstgen.site import Site
from tests.compute_core.firstgen.sshd import Keys, make_keys, path_with, sshd
from tests.compute_core.firstgen.xen_host import XenHost, unmount_below, why_nothing_can_be_mounted, xen_host


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return make_keys(tmp_path / "keys")


@pytest.fixture
def volumes_can_be_mounted() -> None:
    """Skip where they cannot."""
    reason = why_nothing_can_be_mounted()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def xen(tmp_path: Path, keys: Keys, volumes_can_be_mounted: None) -> Iterator[XenHost]:
    """The Xen host."""
    with xen_host(tmp_path, keys) as host:
        yield host


@pytest.fixture
def bench(tmp_path: Path, keys: Keys) -> Iterator[SshHost]:
    """The shell of the machine that fills disks."""
    with sshd(tmp_path / "bench-ssh", keys, {"PATH": path_with()}) as port:
        try:
            yield SshHost("bench", "127.0.0.1", port)
        finally:
            unmount_below(tmp_path)


@pytest.fixture
def site(tmp_path: Path, keys: Keys, xen: XenHost, bench: SshHost) -> Site:
    """Both, and the place for a XenServer."""
    return Site(tmp_path, keys, xen, bench)
