"""What a client needs to come in: the accounts of an installation, kept with its state, and a ``clouds.yaml`` for the client.

Passwords that nobody has given are made here and kept, so that the next start has the same ones. Both files are their owner's only.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from compute_core.model.json import from_json, to_json
from compute_core.settings import Account, BadSettings

HEADER = "# Written by `inova core up` at each start: changes are lost."
CLOUD = "inova"
_ROLES = {"admin": ("admin",), "demo": ("member",)}


def load_accounts(path: Path) -> tuple[Account, ...]:
    """The accounts of an installation; at its first start ``admin`` and ``demo`` with new passwords. BadSettings for a spoilt file."""
    if path.exists():
        return _read_accounts(path)
    accounts = tuple(Account(name, name, roles, secrets.token_urlsafe(18)) for name, roles in _ROLES.items())
    write_private(path, json.dumps(to_json(accounts), indent=1))
    return accounts


def _read_accounts(path: Path) -> tuple[Account, ...]:
    try:
        return tuple(from_json(json.loads(path.read_bytes()), list[Account]))
    except ValueError as problem:
        raise BadSettings(f"{path}: is not what was written there ({problem}). Cure: remove it; new passwords are made then.") from None


def write_clouds(path: Path, url: str, region: str, accounts: Sequence[Account]) -> None:
    """``inova`` is the first account's cloud, ``inova-NAME`` each other's. Somebody else's file is left alone: BadSettings."""
    refuse_foreign(path)
    names = [CLOUD, *(f"{CLOUD}-{account.project}" for account in accounts[1:])]
    clouds = [_cloud(name, url, region, account) for name, account in zip(names, accounts, strict=True)]
    write_private(path, "\n".join((HEADER, "clouds:", *clouds)) + "\n")


def refuse_foreign(path: Path) -> None:
    """BadSettings when the file is there and not ours."""
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(HEADER):
        raise BadSettings(f"{path}:1: is not a file of ours, so it is not overwritten. Cure: name another by --clouds-yaml.")


def _cloud(name: str, url: str, region: str, account: Account) -> str:
    # JSON texts are YAML texts, so a password may hold anything.
    return f"""\
  {name}:
    auth:
      auth_url: {json.dumps(f"{url}/identity/v3")}
      username: {json.dumps(account.user)}
      password: {json.dumps(account.password)}
      project_name: {json.dumps(account.project)}
      user_domain_name: "Default"
      project_domain_name: "Default"
    identity_api_version: "3"
    region_name: {json.dumps(region)}"""


def write_private(path: Path, text: str) -> None:
    """Put a file in place whole, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    aside.replace(path)
