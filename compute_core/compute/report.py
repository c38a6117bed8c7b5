"""What an agent says of its host: two calls, however many VMs and VDIs there are."""

from __future__ import annotations

from compute_core.model.hosts import HostReport
from compute_core.model.usage import HostUsage
from compute_core.xenapi.place import Place
from compute_core.xenapi.records import GIB, MIB
from compute_core.xenapi.session import XenApi


async def report(xapi: XenApi, place: Place, host: str, running_vms: int, usage: HostUsage | None = None) -> HostReport:
    """The host now; facts that do not change come from ``place``, what its servers use from what was measured last."""
    free_bytes = int(await xapi.call("host.compute_free_memory", place.host))
    used_bytes = await xapi.call("SR.get_physical_utilisation", place.sr)
    return HostReport(
        host=host,
        hypervisor_hostname=place.hostname,
        hypervisor_uuid=place.uuid,
        hypervisor_version=place.version,
        host_ip=place.address,
        vcpus=place.vcpus,
        memory_mb_total=place.memory_bytes // MIB,
        memory_mb_free=free_bytes // MIB,
        disk_gb_total=place.sr_bytes // GIB,
        disk_gb_free=max(0, place.sr_bytes - used_bytes) // GIB,
        running_vms=running_vms,
        cpu_model=place.cpu_model,
        supports_hvm=place.supports_hvm,
        others_disk_gb=-1 if usage is None else max(usage.disk.used_bytes - usage.disk.servers_bytes, 0) // GIB,
        pool=place.pool,
        is_master=place.is_master,
    )
