"""What an agent in a guest may be asked beside its password, each request with the answers that are good. Values, no calls."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from compute_core.model.instances import File
from compute_core.xenapi.guest_agent_rules import AgentBuild
from compute_core.xenapi.plugins import AgentReply, AgentRequest

MOST_BYTES = 3072
"""Of one request: a message of xenstore has 4 KiB for path and value."""
AUTHORIZED_KEYS = "/root/.ssh/authorized_keys"
KEY_COMMENT = "# The following key was injected by the compute service"


@dataclass(frozen=True, slots=True)
class Ask:
    """``request`` None: it cannot be put, and ``why``."""

    what: str
    request: AgentRequest | None
    good: tuple[str, ...] = ("0",)
    why: str = ""

    def complaint(self, reply: AgentReply | None) -> str:
        """What is to be said of the answer; "" when it was good."""
        if reply is None:
            return f"{self.what}: {self.why}"
        return "" if reply.returncode in self.good else f"{self.what}: {words(reply)}"


def words(reply: AgentReply) -> str:
    """An answer that was not good, for an operator: guests may say anything, at any length."""
    return f"the agent answered {reply.returncode[:16]!r}, {reply.message[:200]!r}"


def version_in(reply: AgentReply) -> str:
    """The number that an agent says of itself; those of Windows end their lines, some in so many letters."""
    return reply.message.removesuffix("\\r\\n").strip()


def features_in(reply: AgentReply) -> frozenset[str]:
    """What an agent understands; nothing when it does not say."""
    return frozenset(reply.message.split(",")) if reply.returncode == "0" else frozenset()


def key_file(key: str) -> File:
    """The file that lets the owner of a key in."""
    return File(AUTHORIZED_KEYS, base64.b64encode(f"\n{KEY_COMMENT}\n{key.strip()}\n".encode()).decode())


def file(given: File, features: frozenset[str]) -> Ask:
    """A file, in the way that the agent knows."""
    what = f"file {given.path}"
    value = next((form(given) for name, form in FILE_FORMS.items() if name in features), None)
    if value is None:
        return Ask(what, None, why="the agent does not take files")
    name = next(name for name in FILE_FORMS if name in features)
    if len(json.dumps({"name": name, "value": value})) > MOST_BYTES:
        return Ask(what, None, why=f"it is too large for the agent, which takes {MOST_BYTES} bytes with what is around them")
    return Ask(what, AgentRequest(name, value, None))


def network(limit_s: float) -> Ask:
    """To set the network up anew; 500 is what agents say that have nothing to reset."""
    return Ask("resetnetwork", AgentRequest("resetnetwork", "", None, limit_s), ("0", "500"))


def update(build: AgentBuild) -> Ask:
    """To take on a newer release."""
    return Ask(f"agentupdate to {build.version}", AgentRequest("agentupdate", f"{build.url},{build.md5}", None))


def _apart(given: File) -> object:
    return {"b64_path": base64.b64encode(given.path.encode()).decode(), "b64_file": given.contents}


def _joined(given: File) -> object:
    return base64.b64encode(given.path.encode() + b"," + base64.b64decode(given.contents)).decode()


FILE_FORMS = {
    "file_inject": _apart,
    "injectfile": _joined,
}
"""By feature, the better one first: what the request holds."""
