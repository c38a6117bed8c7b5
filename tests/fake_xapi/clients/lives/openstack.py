"""``os-xenapi``, through which OpenStack's driver spoke: ``python openstack.py URL USER PASSWORD``. It needs the port 80.

On Python 3 its last release hands ``pickle`` the text of a plugin's answer, which takes bytes only: no server could please it. The
encoding that it forgot is put in here; all else is as it was released.
"""

from __future__ import annotations

import pickle
import sys
import types
import warnings
from typing import Any

warnings.simplefilter("ignore")  # eventlet announces its own end

from os_xenapi.client import host_management, host_network, host_xenstore, utils  # noqa: E402  # what it imports warns
from os_xenapi.client import session as its_session  # noqa: E402  # as above

its_session.pickle = types.SimpleNamespace(dumps=pickle.dumps, loads=lambda text: pickle.loads(text.encode("latin-1")))

QOS: dict[str, Any] = {"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}


def main(url: str, user: str, password: str) -> None:
    """A VM from its template to its end, with the plugins in dom0."""
    session = its_session.XenAPISession(url, user, password, concurrent=2)
    template = next(ref for ref, vm in session.VM.get_all_records().items() if vm["is_a_template"] and not vm["is_a_snapshot"])
    vm = session.VM.clone(template, "life")
    session.VM.set_is_a_template(vm, False)
    vdi = utils.create_vdi(session, utils.get_default_sr(session), None, "life", "root", 1 << 30)
    drive = {"VM": vm, "VDI": vdi, "userdevice": "0", "bootable": True, "mode": "RW", "type": "Disk", "empty": False, "unpluggable": True}
    session.VBD.create({**drive, **QOS})
    session.VM.start_on(vm, session.host_ref, True, False)
    session.VM.unpause(vm)
    domain = session.VM.get_domid(vm)
    host_xenstore.write_record(session, domain, "vm-data/note", "written")
    assert "written" in host_xenstore.read_record(session, domain, "vm-data/note")
    host_xenstore.delete_record(session, domain, "vm-data/note")
    assert "up" in host_management.get_host_uptime(session)
    assert isinstance(host_network.fetch_all_bandwidth(session), str | dict)
    session.VM.hard_shutdown(vm)
    session.VM.destroy(vm)
    session.VDI.destroy(vdi)


if __name__ == "__main__":
    main(*sys.argv[1:])
