"""The processes of guests' disks in a simulated dom0: xenstore tells of them, and ionice changes what they may have."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fake_xapi.dom0.tapdisks import disk_number
from fake_xapi.dom0.user_plugins import load
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.transports.inprocess import InProcess
from tests.fake_xapi.dom0.test_scripts import SHELL
from tests.fake_xapi.verbs.kit.hosts import VM_RECORD

DISK = {
    "name_label": "disk", "name_description": "", "virtual_size": 1 << 20, "type": "user", "sharable": False, "read_only": False,
    "other_config": {}, "xenstore_data": {}, "sm_config": {}, "tags": [],
}  # fmt: skip
PLACE = {
    "userdevice": "0", "bootable": True, "mode": "RW", "type": "Disk", "unpluggable": True, "empty": False, "other_config": {},
    "qos_algorithm_type": "", "qos_algorithm_params": {},
}  # fmt: skip

Call = Callable[..., Awaitable[Any]]


def over(folder: Path, release: str, body: Callable[[Call, Call], Awaitable[None]]) -> None:
    """Run a test's body over a fresh host; it is given calls, and commands in dom0."""
    (folder / "shell").write_text(SHELL, encoding="utf-8")
    (folder / "shell").chmod(0o755)

    async def main() -> None:
        fleet = Fleet(Order(hosts=1, personality=release), Settings(plugins=load(folder)))
        wire = InProcess(next(iter(fleet.hosts.values())))
        session = await wire.call("session.login_with_password", ["root", "xenroot"])

        async def call(method: str, *params: Any) -> Any:
            return await wire.call(method, [session, *params])

        async def run(script: str) -> tuple[int, str, str]:
            (host,) = await call("host.get_all")
            code, out, err = json.loads(await call("host.call_plugin", host, "shell", "run", {"script": script}))
            return code, out, err

        try:
            await body(call, run)
        finally:
            await fleet.close()

    run_virtual(main())


async def a_guest(call: Call) -> tuple[str, str]:
    """A running VM and its disk's VBD."""
    (pool,) = (await call("pool.get_all_records")).values()
    vm = str(await call("VM.create", VM_RECORD))
    disk = await call("VDI.create", {**DISK, "SR": pool["default_SR"]})
    vbd = str(await call("VBD.create", {**PLACE, "VM": vm, "VDI": disk}))
    await call("VM.start", vm, False, False)
    return vm, vbd


@pytest.mark.parametrize(("release", "back_end"), [("latest", "vbd3"), ("boston", "vbd")])
def test_each_disk_has_a_process_whose_priority_lasts_as_long_as_its_domain(tmp_path: Path, release: str, back_end: str) -> None:
    async def body(call: Call, run: Call) -> None:
        vm, vbd = await a_guest(call)
        top = f"/local/domain/0/backend/{back_end}/{await call('VM.get_domid', vm)}"
        assert await run(f"xenstore-list {top}") == (0, f"{disk_number(0)}\n", "")
        code, pid, _ = await run(f"xenstore-read {top}/{disk_number(0)}/kthread-pid")
        pid = pid.strip()
        assert (code, pid.isdecimal()) == (0, True)
        assert await run(f"ionice -p {pid}") == (0, "best-effort: prio 4\n", "")
        assert await run(f"ionice -c 2 -n 0 -p {pid}; ionice -p {pid}") == (0, "best-effort: prio 0\n", "")
        assert await run(f"ionice -c 3 -p {pid}; ionice -p {pid}") == (0, "idle\n", "")
        await call("VBD.set_qos_algorithm_type", vbd, "ionice")
        await call("VBD.set_qos_algorithm_params", vbd, {"sched": "rt", "class": "high"})
        assert await run(f"ionice -p {pid}") == (0, "idle\n", "")
        await call("VM.hard_reboot", vm)
        assert await run(f"ionice -p {pid}") == (0, "realtime: prio 2\n", "")

    over(tmp_path, release, body)


def test_what_is_no_process_and_what_is_no_option_is_refused(tmp_path: Path) -> None:
    async def body(_: Call, run: Call) -> None:
        assert await run("ionice -p 1") == (1, "", "ionice: ioprio_get failed: No such process\n")
        assert await run("ionice -c 9 -p 1") == (1, "", "ionice: bad usage: -c 9 -p 1\n")

    over(tmp_path, "latest", body)


def test_disks_beyond_the_sixteenth_have_numbers_of_another_form() -> None:
    assert [disk_number(place) for place in (0, 15, 16)] == [51712, 51952, 268439552]
