"""The client's session with servers whose guests have an agent."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.request import Request, urlopen

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.compute_core.api import tour
from tests.compute_core.api.tour import Client, Step, state

RULES = {
    "boot_s": 120,
    "answer_s": 5,
    "builds": [{"version": "2.5.1", "url": "https://agents.example/agent-2.5.1.tgz", "md5": "0" * 32}],
    "derivations": {"1.39": "sha256"},
}
BUILT: tuple[Step, ...] = (
    Step(
        "image create debian --disk-format vhd --container-format bare --public --property xenapi_use_agent=true --file debian.vhd"
        " -f value -c status",
        "active",
    ),
    Step(
        "image create plain --disk-format vhd --container-format bare --public --property xenapi_use_agent=false --file debian.vhd"
        " -f value -c status",
        "active",
    ),
    Step("flavor create m1.lab --ram 256 --disk 1 --vcpus 1 -f value -c name", "m1.lab"),
    Step("keypair create laptop --public-key laptop.pub -f value -c name", "laptop"),
    Step("server create web --image debian --flavor m1.lab --key-name laptop --password first --wait -f value -c status", "ACTIVE"),
    Step("server create bare --image plain --flavor m1.lab --wait -f value -c status", "ACTIVE"),
)
RESCUED: tuple[Step, ...] = (
    Step("server rescue web --password rescuer"),
    state("web", "RESCUE"),
)
REBUILT: tuple[Step, ...] = (
    Step("server unrescue web"),
    state("web", "ACTIVE"),
    Step("server rebuild web --image debian --password anew --wait"),
    state("web", "ACTIVE"),
)


def cloud(folder: Path) -> AbstractContextManager[Client]:
    """Two simulated hosts with our plugin in dom0, the core over them with rules for agents, and the client."""
    (folder / "agents.json").write_text(json.dumps(RULES))
    _write_key(folder)
    code, output = tour.ask_core(folder, "dom0", "write", "dom0-plugins")
    assert code == 0, output
    return tour.cloud(folder, sim="--plugins dom0-plugins", core="--guest-agents agents.json")


def _write_key(folder: Path) -> None:
    """Of RSA: other keys cannot decrypt."""
    key = generate_private_key(65537, 2048)
    (folder / "laptop.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "laptop.pub").write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))


def asked(session: Client, method: str, server: str) -> tuple[int, str]:
    """``/servers/{id}/os-server-password``, for which the client has no command that shows it: status and body."""
    _, token = session.ask("token issue -f value -c id")
    _, uuid = session.ask(f"server show {server} -f value -c id")
    _, endpoints = session.ask("catalog show compute -f json -c endpoints")
    url = next(each["url"] for each in json.loads(endpoints)["endpoints"] if each["interface"] == "public")
    request = Request(f"{url}/servers/{uuid.strip()}/os-server-password", method=method, headers={"X-Auth-Token": token.strip()})
    with urlopen(request, timeout=30) as answer:
        return answer.status, answer.read().decode()
