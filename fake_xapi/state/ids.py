"""Small ids inside, refs and uuids outside: a reversible function of the world's seed and the id.

An id consists of an object's class and its ordinal within that. So a ref leads to its object without any table, hosts that share an
image still differ in every uuid, and the same commands give the same ids on every run. These refs are not secret; those of sessions
are, see ``secret_ids``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from fake_xapi.datamodel.types import NULL_REF
from fake_xapi.state.chance import derive_seed
from fake_xapi.state.secret_ids import SecretPermutation, keyed_text
from fake_xapi.state.unseen import stored_classes

Id = int
NULL: Id = 0
REF_PREFIX = "OpaqueRef:"

_CLASS_BITS = 7
CLASS_MASK = (1 << _CLASS_BITS) - 1
"""The bits of an id with its class's number: for the few places where a call of ``number_of`` would be too slow."""
_BITS = 122
_MASK = (1 << _BITS) - 1
_HALF = _BITS // 2
_LARGEST = 1 << 48
_VERSION = 4 << 76 | 2 << 62
"""The bits that mark a uuid as version 4."""


@lru_cache(maxsize=1)
def class_numbers() -> Mapping[str, int]:
    """The number of every class, from 1, in the order of the datamodel."""
    return {name: number for number, name in enumerate(stored_classes(), start=1)}


@lru_cache(maxsize=1)
def class_names() -> tuple[str, ...]:
    """The class of every number; number 0 stands for no class."""
    return ("", *stored_classes())


def make_id(number: int, ordinal: int) -> Id:
    """The id of the object that was created as ``ordinal``-th of its class, counted from 1."""
    return ordinal << _CLASS_BITS | number


def number_of(identity: Id) -> int:
    """The number of an id's class."""
    return identity & CLASS_MASK


def ordinal_of(identity: Id) -> int:
    """The position of an object in the order of creation of its class, counted from 1."""
    return identity >> _CLASS_BITS


def class_of(identity: Id) -> str:
    """The class of an id, "" for NULL."""
    return class_names()[identity & CLASS_MASK]


class _Scramble:
    """A permutation of 122-bit numbers chosen by a seed: two odd multiplications with a fold after each."""

    __slots__ = ("_back", "_first", "_second")

    def __init__(self, seed: str, purpose: str) -> None:
        bits = derive_seed(seed, purpose)
        self._first = (bits | 1) & _MASK
        self._second = (derive_seed(seed, purpose + "+") | 1) & _MASK
        self._back = (pow(self._first, -1, 1 << _BITS), pow(self._second, -1, 1 << _BITS))

    def forth(self, number: int) -> int:
        number = number * self._first & _MASK
        number = (number ^ number >> _HALF) * self._second & _MASK
        return number ^ number >> _HALF

    def back(self, number: int) -> int:
        first, second = self._back
        number = (number ^ number >> _HALF) * second & _MASK
        return (number ^ number >> _HALF) * first & _MASK


_SESSION = class_numbers()["session"]


class Keys:
    """A world's permutations: for refs, for uuids, and for both of its sessions, which ``secret`` makes unpredictable.

    Without a secret the refs of sessions follow from the seed as well, which is good enough for runs that cannot be reached from outside.
    """

    __slots__ = ("_refs", "_uuids", "secret", "seed")

    def __init__(self, seed: str, secret: bytes = b"") -> None:
        self.seed = seed
        self.secret = secret
        self._refs = _Scramble(seed, "ref")
        self._uuids = _Scramble(seed, "uuid")

    def ref(self, identity: Id) -> str:
        """``OpaqueRef:<uuid>``; the NULL ref for NULL."""
        if identity & CLASS_MASK == _SESSION:
            return REF_PREFIX + _text(self._hidden("ref").forth(identity))
        return REF_PREFIX + _text(self._refs.forth(identity)) if identity else NULL_REF

    def uuid(self, identity: Id) -> str:
        """The uuid of an object, unless another was forced on it."""
        if identity & CLASS_MASK == _SESSION:
            return _text(self._hidden("uuid").forth(identity))
        return _text(self._uuids.forth(identity))

    def find_ref(self, ref: str) -> Id:
        """The id to which a ref would belong, whether or not the object exists; NULL for a text that is not a ref of this world."""
        return self._find(ref[len(REF_PREFIX) :], "ref", self._refs) if ref.startswith(REF_PREFIX) else NULL

    def find_uuid(self, uuid: str) -> Id:
        """The id to which a derived uuid would belong, whether or not the object exists; NULL for any other text."""
        return self._find(uuid, "uuid", self._uuids)

    def keyed_text(self, purpose: str) -> str:
        """A text that takes this world's secret and seed to compute, such as the secret of its pool."""
        return keyed_text(self.secret, self.seed, purpose)

    def _find(self, text: str, kind: str, scramble: _Scramble) -> Id:
        number = _number(text)
        if number < 0:
            return NULL
        identity = scramble.back(number)
        if identity < _LARGEST:
            return identity if identity & CLASS_MASK != _SESSION else NULL
        identity = self._hidden(kind).back(number)
        return identity if identity < _LARGEST and identity & CLASS_MASK == _SESSION else NULL

    def _hidden(self, kind: str) -> SecretPermutation:
        return SecretPermutation(self.secret, self.seed, f"session {kind}")


def _text(number: int) -> str:
    """122 bits as a version 4 uuid."""
    digits = (number >> 74 << 80 | _VERSION | (number >> 62 & 0xFFF) << 64 | number & 0x3FFFFFFFFFFFFFFF).to_bytes(16, "big").hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _number(text: str) -> int:
    """The 122 bits of a version 4 uuid, -1 for any other text."""
    if len(text) != 36 or text[14] != "4" or text[19] not in "89ab":
        return -1
    try:
        value = int(text.replace("-", ""), 16)
    except ValueError:
        return -1
    return value >> 80 << 74 | (value >> 64 & 0xFFF) << 62 | value & 0x3FFFFFFFFFFFFFFF
