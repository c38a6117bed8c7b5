"""The two files that `core firstgen` is given, for the hosts of a test."""

from __future__ import annotations

import json
from pathlib import Path

from tests.compute_core.firstgen.landing import Landing


def write_settings(there: Landing) -> tuple[Path, Path]:
    """The two files that a command is given."""
    [source], [to] = there.generations.sources.values(), there.generations.destinations.values()
    said = {
        "key": str(there.generations.key),
        "known_hosts": str(there.generations.known_hosts),
        "kit": str(there.generations.kit),
        "room_mib": there.generations.room_mib,
        "sources": [
            {"name": source.ssh.name, "address": "127.0.0.1", "port": source.ssh.port, "configs": source.configs, "work": source.work}
        ],
        "destinations": [{"name": "xs1", "address": "127.0.0.1", "port": to.ssh.port, "work": to.work}],
    }
    hosts = [{"name": "xs1", "url": there.url, "user": "root", "password": "xenroot"}]
    generations_file, hosts_file = there.folder / "generations.json", there.folder / "hosts.json"
    generations_file.write_text(json.dumps(said), encoding="utf-8")
    hosts_file.write_text(json.dumps(hosts), encoding="utf-8")
    return generations_file, hosts_file
