"""Reads the file for ``accounts``, and reports errors with their line and their cure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fake_xapi.fleet.accounts import Account, Accounts, is_hash

_FLAGS = ("disabled", "expired", "locked", "password_expired")
_FILE_KEYS = ("domain", "netbios", "joiners", "users", "groups")
_JOINER_KEYS = ("name", "password")
_USER_KEYS = ("name", "password", "full_name", "groups", *_FLAGS)
_GROUP_KEYS = ("name", "groups")


class BadAccounts(ValueError):
    """A malformed directory file; the message names file, line and cure."""


def read_accounts(path: Path) -> Accounts:
    """The directory in a JSON file. BadAccounts for a malformed one."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadAccounts(f"{path}: cannot be read ({error}); name a JSON file with the users") from error
    return _Reader(path, text).accounts()


class _Reader:
    """One file; errors are reported at the line of the nearest name."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text

    def accounts(self) -> Accounts:
        content = self._checked(self._parsed(), "", _FILE_KEYS)
        domain = self._text_at(content, "domain", "")
        netbios = content.get("netbios") or domain.partition(".")[0].upper()
        joiners = {row["name"]: row["password"] for row in self._rows(content, "joiners", _JOINER_KEYS)}
        users = [self._user(row) for row in self._rows(content, "users", _USER_KEYS)]
        groups = [
            Account(row["name"], groups=tuple(row.get("groups", ())), is_group=True) for row in self._rows(content, "groups", _GROUP_KEYS)
        ]
        self._check_names([*users, *groups])
        return Accounts(domain, netbios, joiners, [*users, *groups])

    def _parsed(self) -> Any:
        try:
            return json.loads(self._text)
        except json.JSONDecodeError as error:
            raise BadAccounts(f"{self._path}:{error.lineno}: not JSON: {error.msg}; correct that line") from error

    def _rows(self, content: Mapping[str, Any], kind: str, known: tuple[str, ...]) -> list[Mapping[str, Any]]:
        rows = content.get(kind, [])
        if not isinstance(rows, list):
            raise self._bad(kind, f"{kind} is not a list; write [{{...}}, ...]")
        return [self._row(row, kind, known) for row in rows]

    def _row(self, row: Any, kind: str, known: tuple[str, ...]) -> Mapping[str, Any]:
        checked = self._checked(row, kind, known)
        name = self._text_at(checked, "name", kind)
        if "password" in known and not is_hash(checked.get("password")):
            raise self._bad(name, f"the password of {name} is no hash; write what `inova sim hash-password` prints")
        groups = checked.get("groups", [])
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            raise self._bad(name, f'the groups of {name} are not a list of names; write ["staff", ...]')
        return checked

    def _user(self, row: Mapping[str, Any]) -> Account:
        for flag in _FLAGS:
            if not isinstance(row.get(flag, False), bool):
                raise self._bad(row["name"], f"{flag} of {row['name']} is {row[flag]!r}; write true or false")
        full_name = self._text_at(row, "full_name", row["name"]) if "full_name" in row else ""
        flags = {flag: row.get(flag, False) for flag in _FLAGS}
        return Account(row["name"], row["password"], full_name, tuple(row.get("groups", ())), **flags)

    def _check_names(self, accounts: Iterable[Account]) -> None:
        known: dict[str, Account] = {}
        for account in accounts:
            if account.name.lower() in known:
                raise self._bad(account.name, f"{account.name} is there twice; give one of them another name")
            known[account.name.lower()] = account
        groups = [account.name for account in known.values() if account.is_group]
        for account in known.values():
            for group in account.groups:
                if group.lower() not in (name.lower() for name in groups):
                    close = ", ".join(difflib.get_close_matches(group, groups, n=3, cutoff=0.3) or groups) or "none yet"
                    raise self._bad(account.name, f"{account.name} is in {group}, which is no group; the groups are: {close}")

    def _checked(self, value: Any, where: str, known: tuple[str, ...]) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._bad(where, f"{where or 'the file'} is not made of objects; write {{...}} with names and values")
        for name in value:
            if name not in known:
                close = ", ".join(difflib.get_close_matches(name, known, n=3, cutoff=0.3) or known)
                raise self._bad(name, f"nothing is called {name!r} here; did you mean {close}?")
        return value

    def _text_at(self, row: Mapping[str, Any], key: str, where: str) -> str:
        value = row.get(key)
        if not isinstance(value, str) or not value:
            raise self._bad(key if key in row else where, f"{key} is missing or not a text{f' in {where}' if where else ''}; write one")
        return value

    def _bad(self, name: str, message: str) -> BadAccounts:
        at = max(self._text.find(f'"{name}"'), 0)
        return BadAccounts(f"{self._path}:{self._text.count(chr(10), 0, at) + 1}: {message}")
