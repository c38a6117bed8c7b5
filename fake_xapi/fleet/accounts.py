r"""A directory of users and groups from a JSON file: what ``inova sim serve --directory FILE`` lets hosts join.

    {"domain": "example.com", "netbios": "EXAMPLE",
     "joiners": [{"name": "Administrator", "password": "scrypt:..."}],
     "users":   [{"name": "alice", "password": "scrypt:...", "full_name": "Alice", "groups": ["admins"], "disabled": false}],
     "groups":  [{"name": "admins", "groups": ["staff"]}, {"name": "staff"}]}

Passwords are hashes, made by ``inova sim hash-password``. A name may be given as ``alice``, ``EXAMPLE\alice`` or ``alice@example.com``.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fake_xapi.state.chance import derive_seed
from fake_xapi.verbs.access.directory import DirectoryRefusal, Entry

COST = 1 << 14
"""Parameters of scrypt: a guess costs 16 MiB and some 40 ms."""
FORM = "scrypt"


def hash_password(password: str, cost: int = COST) -> str:
    """``scrypt:COST:SALT:DIGEST``, with a salt of its own for each."""
    salt = secrets.token_bytes(16)
    return f"{FORM}:{cost}:{salt.hex()}:{_scrypt(password, salt, cost).hex()}"


def is_hash(text: object) -> bool:
    """Whether a text is an output of ``hash_password``."""
    form, cost, salt, digest = parts if isinstance(text, str) and len(parts := text.split(":")) == 4 else ("",) * 4
    try:
        return form == FORM and int(cost) in _COSTS and len(bytes.fromhex(salt)) >= 8 and len(bytes.fromhex(digest)) == 32
    except ValueError:
        return False


_COSTS = frozenset(1 << power for power in range(10, 18))


def fits(password: str, hashed: str) -> bool:
    """Whether a hash belongs to a password."""
    _, cost, salt, digest = hashed.split(":")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt), int(cost)), bytes.fromhex(digest))


def _scrypt(password: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=8, p=1, maxmem=1 << 28, dklen=32)


@dataclass(frozen=True, slots=True)
class Account:
    """A user or a group of the file; ``groups`` are names. A group has no password."""

    name: str
    password: str = field(default="", repr=False)
    full_name: str = ""
    groups: tuple[str, ...] = ()
    is_group: bool = False
    disabled: bool = False
    expired: bool = False
    locked: bool = False
    password_expired: bool = False


class Accounts:
    """A directory of given accounts. ``joiners`` are those who may let hosts join, by name with hashed passwords."""

    def __init__(self, domain: str, netbios: str, joiners: Mapping[str, str], accounts: Iterable[Account]) -> None:
        self._domain = domain
        self._netbios = netbios
        self._joiners = {name.lower(): hashed for name, hashed in joiners.items()}
        self._by_name = {account.name.lower(): account for account in accounts}
        self._by_sid = {self._sid(account.name): account for account in self._by_name.values()}
        self._nobody = f"{FORM}:{COST}:{'00' * 16}:{'00' * 32}"
        self._right: dict[str, bytes] = {}
        """Verified passwords, so that they need not be hashed again: digests under a key of this process."""
        self._key = secrets.token_bytes(32)

    @classmethod
    def of(cls, domain: str, passwords: Mapping[str, str], groups: Mapping[str, Iterable[str]], cost: int = 1 << 10) -> Accounts:
        """A directory for tests: users with their passwords, and groups with their members. Every user may let hosts join."""
        hashes = {name: hash_password(password, cost) for name, password in passwords.items()}
        of = {name: tuple(group for group, members in groups.items() if name in members) for name in (*passwords, *groups)}
        users = [Account(name, hashed, groups=of[name]) for name, hashed in hashes.items()]
        return cls(
            domain, domain.partition(".")[0].upper(), hashes, [*users, *(Account(name, groups=of[name], is_group=True) for name in groups)]
        )

    @property
    def auth_type(self) -> str:
        """The directory poses as Active Directory."""
        return "AD"

    def join(self, service_name: str, config: Mapping[str, str]) -> Mapping[str, str]:
        """Let a host join; DirectoryRefusal for another domain, and for wrong credentials."""
        if service_name.lower() != self._domain.lower():
            raise DirectoryRefusal("DOMAIN_LOOKUP_FAILED", f"The domain {service_name} cannot be found")
        self._check_joiner(config)
        return {"domain": self._domain, "user": config["user"], "workgroup": self._netbios, "ldaps": config.get("ldaps", "false")}

    def leave(self, config: Mapping[str, str]) -> None:
        """Let a host leave; DirectoryRefusal for wrong credentials, if any are given."""
        if config.get("user"):
            self._check_joiner(config)

    def _check_joiner(self, config: Mapping[str, str]) -> None:
        user, password = self._bare(config.get("user", "")), config.get("pass", "")
        if user not in self._joiners or not fits(password, self._joiners[user]):
            raise DirectoryRefusal("WRONG_CREDENTIALS", "The user name or the password is wrong")

    def authenticate(self, name: str, password: str) -> str:
        """The identifier of a user; "" for a wrong name, which takes as long as a wrong password."""
        account = self._by_name.get(self._bare(name))
        hashed = account.password if account is not None and account.password else self._nobody
        if not self._is_right(hashed, password) or account is None:
            return ""
        return self._sid(account.name)

    def _is_right(self, hashed: str, password: str) -> bool:
        digest = hashlib.blake2b(password.encode(), key=self._key, salt=hashlib.blake2b(hashed.encode(), digest_size=16).digest()).digest()
        if hmac.compare_digest(self._right.get(hashed, b""), digest):
            return True
        if not fits(password, hashed):
            return False
        self._right[hashed] = digest
        return True

    def find(self, name: str) -> str:
        """The identifier of a name."""
        account = self._by_name.get(self._bare(name))
        return self._sid(account.name) if account is not None else ""

    def entry(self, identifier: str) -> Entry | None:
        """The user or group with that identifier."""
        account = self._by_sid.get(identifier)
        if account is None:
            return None
        return Entry(
            identifier, f"{self._netbios}\\{account.name}", account.is_group, account.full_name or account.name,
            tuple(map(self._sid, account.groups)), account.disabled, account.expired, account.locked, account.password_expired,
        )  # fmt: skip

    def information(self, entry: Entry) -> Mapping[str, str]:
        """What Active Directory tells XAPI of a user or group."""
        bare = entry.name.partition("\\")[2]
        told = {"subject-name": entry.name, "subject-gid": str(_number(entry.identifier)), "subject-sid": entry.identifier}
        if entry.is_group:
            return told | {"subject-is-group": "true", "contains-byname": ""}
        return told | {
            "subject-uid": str(_number(entry.identifier)),
            "subject-upn": f"{bare}@{self._domain}",
            "subject-gecos": entry.full_name,
            "subject-displayname": entry.full_name,
            "subject-is-group": "false",
            "subject-account-disabled": _yes(entry.is_disabled),
            "subject-account-expired": _yes(entry.is_expired),
            "subject-account-locked": _yes(entry.is_locked),
            "subject-password-expired": _yes(entry.is_password_expired),
        }

    def groups(self, identifier: str) -> list[str]:
        """The groups of an account, nearest first; a group that contains itself appears once."""
        found: dict[str, None] = {}
        waiting = list(self._groups_of(identifier))
        while waiting:
            group = waiting.pop(0)
            if group not in found:
                found[group] = None
                waiting += self._groups_of(group)
        return list(found)

    def _groups_of(self, identifier: str) -> list[str]:
        account = self._by_sid.get(identifier)
        return [self._sid(name) for name in account.groups] if account is not None else []

    def _bare(self, name: str) -> str:
        """The account's own name, in lower case; "" for a name of another domain."""
        prefix, slash, rest = name.rpartition("\\")
        rest, at, suffix = (rest if slash else name).partition("@")
        is_ours = (not slash or prefix.lower() == self._netbios.lower()) and (not at or suffix.lower() == self._domain.lower())
        return rest.lower() if is_ours else ""

    def _sid(self, name: str) -> str:
        """The security identifier of a name: the same whenever the file is read."""
        parts = derive_seed(self._domain.lower(), "domain")
        return f"S-1-5-21-{parts >> 96}-{parts >> 64 & 0xFFFFFFFF}-{parts >> 32 & 0xFFFFFFFF}-{_relative(self._domain, name)}"


def _relative(domain: str, name: str) -> int:
    return 1000 + derive_seed(domain.lower(), name.lower()) % 0x3FFFFFFF


def _number(identifier: str) -> int:
    return int(identifier.rpartition("-")[2])


def _yes(fact: bool) -> str:  # noqa: FBT001  # a value to be printed
    return "true" if fact else "false"
