"""The golden host: a world like that of a freshly installed XenServer of some release, which a whole fleet shares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from fake_xapi.datamodel.personality import Personality, personality
from fake_xapi.engine.derive import derive
from fake_xapi.fleet import devices
from fake_xapi.fleet.hardware import STANDARD, Hardware
from fake_xapi.fleet.roles import create_roles
from fake_xapi.fleet.software import software_version
from fake_xapi.fleet.storage_drivers import drivers
from fake_xapi.fleet.templates import mac_seed, templates
from fake_xapi.lifecycle.editions import EDITIONS, FRESH, edition_named, pool_restrictions, restrictions
from fake_xapi.state.chance import Chance
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.value import Value
from fake_xapi.state.world import World
from fake_xapi.verbs.access.server_certificates import FILES, put_self_signed
from fake_xapi.verbs.networks.interfaces import model_of

SEED = "golden"
INSTALLED = "20120801T00:00:00Z"
HIDDEN = {"is_guest_installer_network": "true", "is_host_internal_management_network": "true"}
HIMN = HIDDEN | {"ip_begin": "169.254.0.1", "ip_end": "169.254.255.254", "netmask": "255.255.0.0"}
FLAGS = (
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat clflush mmx fxsr sse sse2 ht syscall nx lm constant_tsc vmx sse4_1"
)
FEATURES = "17bee3ff-bfebfbff-00000001-2c100800"


@dataclass(frozen=True, slots=True)
class Machine:
    """One host of a world, with those of its objects that depend on its address."""

    host: Id
    control_domain: Id
    consoles: tuple[Id, ...]
    pifs: tuple[Id, ...]


@dataclass(frozen=True, slots=True)
class Golden:
    """A world and the machines in it, the master first."""

    world: World
    machines: tuple[Machine, ...]

    @property
    def host(self) -> Id:
        """The master."""
        return self.machines[0].host

    @property
    def control_domain(self) -> Id:
        """The master's control domain."""
        return self.machines[0].control_domain

    @property
    def pifs(self) -> tuple[Id, ...]:
        """The master's NICs."""
        return self.machines[0].pifs


@cache
def golden(release: str, hardware: Hardware = STANDARD, pool_size: int = 1) -> Golden:
    """The golden host of a release, or a pool of several; ValueError suggests names when there is no such release."""
    kind = personality(release)
    world = World(Value.empty(), SEED, kind)
    world.derive = derive
    with world.edit() as edit:
        pool = edit.create("pool", **_pool())
        host = _host(edit, kind, hardware)
        edit.set(pool, master=host, restrictions=pool_restrictions([edit[host]]))
        domain, consoles = _control_domain(edit, host, hardware)
        networks = _networks(edit, hardware)
        pifs = _nics(edit, host, networks, hardware)
        devices.furnish(world, edit, host, hardware)
        storage = _storage(edit, host, hardware)
        tools = _tools(edit, host)
        edit.set(pool, default_SR=storage, suspend_image_SR=storage, crash_dump_SR=storage)
        machines = [Machine(host, domain, consoles, pifs)]
        machines += [_joined(world, edit, kind, hardware, networks, tools) for _ in range(pool_size - 1)]
        _certificates(world, edit, [machine.host for machine in machines])
        for row in drivers(kind.era):
            edit.create("SM", **row)
        edit.create("user", short_name="root", fullname="superuser")
        create_roles(edit, kind)
        for fields in templates(kind.era):
            edit.create("VM", metrics=edit.create("VM_metrics", last_updated=INSTALLED), **fields)
    return Golden(world, tuple(machines))


def _joined(world: World, edit: Edit, release: Personality, hardware: Hardware, networks: tuple[Id, ...], tools: Id) -> Machine:
    """Add a host to the pool: with its own NICs on the pool's networks, its own storage, and the pool's tools."""
    host = _host(edit, release, hardware)
    domain, consoles = _control_domain(edit, host, hardware)
    pifs = _nics(edit, host, networks, hardware)
    devices.furnish(world, edit, host, hardware)
    edit.create("PBD", host=host, SR=tools, device_config=_TOOLS_PLACE, currently_attached=True)
    _storage(edit, host, hardware)
    return Machine(host, domain, consoles, pifs)


def _certificates(world: World, edit: Edit, hosts: list[Id]) -> None:
    """The self-signed certificates from the installation of hosts; a fleet shares those of its golden host."""
    bits = Chance(SEED).stream("certificates").getrandbits
    for host in hosts:
        for kind in FILES:
            put_self_signed(world, edit, host, kind, INSTALLED, bits)


def _pool() -> dict[str, object]:
    return {
        "other_config": {"memory-ratio-hvm": "0.25", "memory-ratio-pv": "0.25"},
        "ha_cluster_stack": "xhad",
        "telemetry_frequency": "weekly",
        "update_sync_frequency": "weekly",
        "local_auth_max_threads": 8,
        "ext_auth_max_threads": 1,
    }


def _host(edit: Edit, release: Personality, hardware: Hardware) -> Id:
    metrics = edit.create(
        "host_metrics",
        memory_total=hardware.memory_bytes,
        memory_free=hardware.memory_bytes - hardware.control_domain_bytes,
        live=True,
        last_updated=INSTALLED,
    )
    major, minor = release.release.api
    host = edit.create(
        "host",
        name_description="Default install",
        API_version_major=major,
        API_version_minor=minor,
        API_version_vendor="XenSource",
        enabled=True,
        software_version=software_version(release),
        capabilities=("xen-3.0-x86_64", "xen-3.0-x86_32p", "hvm-3.0-x86_32", "hvm-3.0-x86_32p", "hvm-3.0-x86_64", ""),
        sched_policy="credit",
        supported_bootloaders=("pygrub", "eliloader"),
        chipset_info=devices.CHIPSET,
        cpu_info=_cpu_info(release, hardware),
        cpu_configuration={},
        metrics=metrics,
        memory_overhead=hardware.memory_bytes // 128,
        license_server={"address": "localhost", "port": "27000"},
        license_params=_license(release),
        edition=FRESH[release.era],
        editions=tuple(edition.name for edition in EDITIONS[release.era]),
        virtual_hardware_platform_versions=_virtual_hardware(release),
        bios_strings={"bios-vendor": "inova", "system-manufacturer": "inova", "system-product-name": "simulated host"},
        display="enabled",
    )
    for number in range(hardware.cpus):
        edit.create("host_cpu", host=host, number=number, **_cpu(hardware))
    return host


def upgrade(edit: Edit, host: Id, release: Personality) -> None:
    """Change the release of a host: what it reports about its software, its API and its virtual hardware."""
    row = edit[host]
    software = software_version(release)
    major, minor = release.release.api
    edit.set(
        host,
        API_version_major=major,
        API_version_minor=minor,
        software_version={**software, "hostname": row["hostname"]},
        license_params={**row["license_params"], "version": software["product_version"]},
        virtual_hardware_platform_versions=_virtual_hardware(release),
    )


def _virtual_hardware(release: Personality) -> tuple[int, ...]:
    return (0, 1, 2) if release.era == "modern" else (0, 1)


def _license(release: Personality) -> dict[str, str]:
    edition = edition_named(release.era, FRESH[release.era])
    return {
        "sku_type": edition.name,
        "sku_marketing_name": edition.title,
        "version": software_version(release)["product_version"],
        "expiry": "20301231T00:00:00Z",
        **restrictions(release.era, edition),
    }


def _cpu(hardware: Hardware) -> dict[str, object]:
    return {
        "vendor": "GenuineIntel",
        "speed": hardware.cpu_mhz,
        "modelname": hardware.cpu_model,
        "family": 6,
        "model": 45,
        "stepping": "7",
        "flags": FLAGS,
    }


def _cpu_info(release: Personality, hardware: Hardware) -> dict[str, str]:
    info = {
        "cpu_count": str(hardware.cpus),
        "socket_count": str(hardware.sockets),
        "vendor": "GenuineIntel",
        "speed": f"{hardware.cpu_mhz}.000",
        "modelname": hardware.cpu_model,
        "family": "6",
        "model": "45",
        "stepping": "7",
        "flags": FLAGS,
        "features": FEATURES,
    }
    if release.era == "modern":
        more = dict.fromkeys(("features_pv", "features_hvm", "features_hvm_host", "features_pv_host"), FEATURES)
        return info | {"threads_per_core": "2", "nr_nodes": str(hardware.sockets)} | more
    return info | {"features_after_reboot": FEATURES, "physical_features": FEATURES, "maskable": "full"}


def _control_domain(edit: Edit, host: Id, hardware: Hardware) -> tuple[Id, tuple[Id, ...]]:
    memory = hardware.control_domain_bytes
    metrics = edit.create(
        "VM_metrics", memory_actual=memory, VCPUs_number=4, start_time=INSTALLED, install_time=INSTALLED, last_updated=INSTALLED,
        current_domain_type="pv",
    )  # fmt: skip
    domain = edit.create(
        "VM",
        name_description="The domain which manages physical devices and manages other domains",
        power_state="Running",
        is_control_domain=True,
        resident_on=host,
        affinity=host,
        metrics=metrics,
        domid=0,
        user_version=1,
        memory_target=memory,
        memory_static_max=memory,
        memory_dynamic_max=memory,
        memory_dynamic_min=memory,
        memory_static_min=memory,
        VCPUs_max=4,
        VCPUs_at_startup=4,
        actions_after_shutdown="destroy",
        actions_after_reboot="destroy",
        actions_after_crash="destroy",
        HVM_shadow_multiplier=1.0,
        domain_type="pv",
        other_config={"mac_seed": mac_seed("control domain")},
    )
    edit.set(host, control_domain=domain)
    protocols = ("rfb", "vt100")
    return domain, tuple(edit.create("console", VM=domain, protocol=protocol) for protocol in protocols)


def _networks(edit: Edit, hardware: Hardware) -> tuple[Id, ...]:
    """The networks of the NICs, and the internal one."""
    internal = "Network on which guests will be assigned a private link-local IP address which can be used to talk XenAPI"
    edit.create(
        "network", name_label="Host internal management network", name_description=internal, bridge="xenapi", MTU=1500, other_config=HIMN,
        managed=True, default_locking_mode="unlocked",
    )  # fmt: skip
    return tuple(_network(edit, number) for number in range(hardware.nics))


def _network(edit: Edit, number: int) -> Id:
    return edit.create(
        "network", name_label=f"Pool-wide network associated with eth{number}", bridge=f"xenbr{number}", MTU=1500, managed=True,
        default_locking_mode="unlocked",
    )  # fmt: skip


def _nics(edit: Edit, host: Id, networks: tuple[Id, ...], hardware: Hardware) -> tuple[Id, ...]:
    return tuple(_nic(edit, host, number, network, hardware) for number, network in enumerate(networks))


def _nic(edit: Edit, host: Id, number: int, network: Id, hardware: Hardware) -> Id:
    pci = devices.nic(edit, host, number)
    metrics = edit.create("PIF_metrics", carrier=True, speed=10_000, duplex=True, last_updated=INSTALLED, **model_of(edit, pci))
    is_management = number == 0
    return edit.create(
        "PIF",
        device=f"eth{number}",
        network=network,
        host=host,
        MTU=1500,
        VLAN=-1,
        metrics=metrics,
        physical=True,
        managed=True,
        currently_attached=True,
        management=is_management,
        ip_configuration_mode="Static" if is_management else "None",
        netmask="255.0.0.0" if is_management else "",
        ipv6_configuration_mode="None",
        primary_address_type="IPv4",
        properties={"gro": "on"},
        capabilities=("sriov",) if hardware.nic_functions else (),
        PCI=pci,
    )


EMPTY_DRIVE = 2_097_151 * 512
"""The size of a DVD drive without a disc, as Linux tells it."""


def _storage(edit: Edit, host: Id, hardware: Hardware) -> Id:
    """Create the SRs that belong to a host; returns the local storage."""
    local = edit.create(
        "SR", name_label="Local storage", type=hardware.sr_type, content_type="user", physical_size=hardware.storage_bytes,
        physical_utilisation=0, other_config={"i18n-key": "local-storage", "i18n-original-value-name_label": "Local storage"},
    )  # fmt: skip
    discs = edit.create(
        "SR", name_label="DVD drives", name_description="Physical DVD drives", type="udev", content_type="iso", sm_config={"type": "cd"}
    )
    for number in range(hardware.dvd_drives):
        edit.create(
            "VDI", SR=discs, name_label=f"SCSI {number}:0:0:0", type="user", virtual_size=EMPTY_DRIVE, physical_utilisation=EMPTY_DRIVE,
            read_only=True, managed=True, location=f"/dev/xapi/cd/sr{number}",
        )  # fmt: skip
    sticks = edit.create("SR", name_label="Removable storage", type="udev", content_type="disk", sm_config={"type": "block"})
    configs = (
        (local, {"device": "/dev/disk/by-id/simulated-part3"}),
        (discs, {"location": "/dev/xapi/cd"}),
        (sticks, {"location": "/dev/xapi/block"}),
    )
    for sr, config in configs:
        edit.create("PBD", host=host, SR=sr, device_config=config, currently_attached=True)
    edit.set(host, suspend_image_sr=local, crash_dump_sr=local)
    return local


_TOOLS_PLACE = {"location": "/opt/xensource/packages/iso", "legacy_mode": "true"}


def _tools(edit: Edit, host: Id) -> Id:
    """The SR of the tools, which is the same on all hosts."""
    tools = edit.create(
        "SR", name_label="XenServer Tools", name_description="XenServer Tools ISOs", type="iso", content_type="iso", shared=True,
        is_tools_sr=True, physical_size=-1, physical_utilisation=-1, other_config=_TOOLS,
    )  # fmt: skip
    edit.create("PBD", host=host, SR=tools, device_config=_TOOLS_PLACE, currently_attached=True)
    edit.create(
        "VDI", SR=tools, name_label="guest-tools.iso", name_description="XenServer Tools", type="user", virtual_size=64 << 20,
        physical_utilisation=64 << 20, read_only=True, managed=True, is_tools_iso=True, location="guest-tools.iso",
    )  # fmt: skip
    return tools


_TOOLS = {
    "xensource_internal": "true",
    "xenserver_tools_sr": "true",
    "i18n-key": "xenserver-tools",
    "i18n-original-value-name_label": "XenServer Tools",
    "i18n-original-value-name_description": "XenServer Tools ISOs",
}
