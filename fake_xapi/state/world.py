"""A world that changes: its present value, a single way to change it, and listeners."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from types import TracebackType
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.personality import Personality
from fake_xapi.state.edit import Edit
from fake_xapi.state.feed import Feed
from fake_xapi.state.ids import CLASS_MASK, NULL, REF_PREFIX, Id, Keys, class_numbers, class_of, number_of
from fake_xapi.state.row import Row
from fake_xapi.state.value import Change, Value, restored

Derive = Callable[[Edit], None]
Listener = Callable[[int, tuple[Change, ...]], None]
Encodings = dict[Id, tuple[Row, Any]]

_ROLE = class_numbers()["role"]
"""Roles have the same ref in every pool, derived from their uuid."""


class World:
    """One database. ``derive`` completes each edit before it is committed; listeners are told of each commit afterwards."""

    __slots__ = ("_edit", "_encodings", "_keys", "derive", "feed", "listeners", "personality", "value")

    def __init__(self, value: Value, seed: str, personality: Personality, secret: bytes = b"") -> None:
        self.value = value
        self.personality = personality
        self.derive: Derive | None = None
        self.listeners: list[Listener] = []
        self.feed = Feed(value.generation)
        self._keys = Keys(seed, secret)
        self._edit: _Editing | None = None
        self._encodings: dict[str, Encodings] = {}

    @property
    def seed(self) -> str:
        """The seed from which every ref and uuid of this world is derived."""
        return self._keys.seed

    @property
    def is_guarded(self) -> bool:
        """Whether a secret makes the refs of sessions unpredictable."""
        return bool(self._keys.secret)

    def guard(self, secret: bytes) -> None:
        """Derive the refs and uuids of sessions from a secret of at most 64 bytes. To be called before anybody logs in."""
        self._keys = Keys(self.seed, secret)
        self._encodings.clear()

    def keyed_text(self, purpose: str) -> str:
        """64 hexadecimal digits that only the holder of the secret can compute."""
        return self._keys.keyed_text(purpose)

    @property
    def generation(self) -> int:
        """The number of commits so far."""
        return self.value.generation

    def __getitem__(self, identity: Id) -> Row:
        row = self.value.tables[identity & CLASS_MASK].get(identity)
        if row is None:
            raise Failure("HANDLE_INVALID", class_of(identity), Handle(identity))
        return row

    def get(self, identity: Id) -> Row | None:
        """The object of an id, None when it is not there."""
        return self.value.tables[identity & CLASS_MASK].get(identity)

    def ids(self, cls: str) -> Iterator[Id]:
        """The objects of a class, in no particular order."""
        return iter(self.value.tables[class_numbers()[cls]])

    def rows(self, cls: str) -> Iterator[tuple[Id, Row]]:
        """The objects of a class with their rows, in no particular order."""
        return iter(self.value.tables[class_numbers()[cls]].items())

    def count(self, cls: str) -> int:
        """The number of objects of a class."""
        return len(self.value.tables[class_numbers()[cls]])

    def named(self, cls: str, label: str) -> tuple[Id, ...]:
        """The objects of a class with that name_label, oldest first."""
        return self.value.names.get((class_numbers()[cls], label), ())

    def by_uuid(self, cls: str, uuid: str) -> Id:
        """The object of a class with that uuid, NULL when there is none."""
        identity = self.value.uuids.get(uuid, NULL) or self._keys.find_uuid(uuid)
        row = self.get(identity) if identity else None
        if row is None or row.cls != cls or row["uuid"] not in ("", uuid):
            return NULL
        return identity

    def uuid(self, identity: Id) -> str:
        """The uuid of an object, or the original one of an object that is gone."""
        row = self.get(identity)
        forced: str = row["uuid"] if row is not None else ""
        return forced or self._keys.uuid(identity)

    def ref(self, identity: Id) -> str:
        """The ref of an object, whether or not it exists."""
        if number_of(identity) == _ROLE:
            return REF_PREFIX + self.uuid(identity)
        return self._keys.ref(identity)

    def find_ref(self, ref: str) -> Id:
        """The object to which a ref belongs, whether or not it exists; NULL for a text that is not a ref of this world."""
        identity = self._keys.find_ref(ref)
        if identity:
            return identity
        role = self.value.uuids.get(ref.removeprefix(REF_PREFIX), NULL)
        return role if role & CLASS_MASK == _ROLE else NULL

    def edit(self) -> _Editing:
        """Change the world: ``with world.edit() as edit: ...``. One that begins inside another is part of it."""
        if self._edit is None:
            self._edit = _Editing(self)
        return self._edit

    def fork(self, seed: str | None = None) -> World:
        """A copy of this world, at no cost; with a seed of its own, all its refs and uuids differ."""
        return World(self.value, self.seed if seed is None else seed, self.personality, self._keys.secret)

    def encodings(self, form: str) -> Encodings:
        """Encoded forms of rows, cached for their readers: an entry is valid while its row is the world's row."""
        found = self._encodings.get(form)
        if found is None:
            found = self._encodings[form] = {}
        return found

    def forget_encodings(self) -> None:
        """Drop all encoded rows, as the release and thus their visible fields have changed."""
        self._encodings.clear()

    def commit(self, edit: Edit) -> None:
        """Make an edit the present state. Called by ``edit()`` when its block ends."""
        if self.derive is not None:
            self.derive(edit)
        value, changes = edit.finish()
        if changes:
            self._publish(value, changes)

    def become(self, value: Value, keeping: Container[str] = ()) -> None:
        """Return to another state of this world, in one commit with the differences as its changes; ``keeping`` names classes that stay.

        Generations keep counting, and ordinals are never reused: whoever follows the changes sees the same database, and the ref of an
        object that is gone leads nowhere.
        """
        target = restored(self.value, value, keeping)
        if target is not None:
            self._publish(*target)

    def _publish(self, value: Value, changes: tuple[Change, ...]) -> None:
        self.value = value
        self.feed.append(value.generation, (change.identity for change in changes))
        for change in changes:
            if change.new is None:
                self._bury(change, value.generation)
            elif change.old is None:
                self.feed.graves.pop(change.identity, None)  # only what was restored has one
        for listener in self.listeners:
            listener(value.generation, changes)

    def close_edit(self) -> None:
        """Let the next ``edit()`` begin a commit of its own."""
        self._edit = None

    def _bury(self, change: Change, generation: int) -> None:
        for encodings in self._encodings.values():
            encodings.pop(change.identity, None)
        if change.old is not None:
            self.feed.bury(change.identity, change.old.created, generation)


class _Editing:
    """The block of ``with world.edit()``; nested blocks share the outermost one's edit and end with it."""

    __slots__ = ("_depth", "_edit", "_world")

    def __init__(self, world: World) -> None:
        self._world = world
        self._edit = Edit(world.value, world.personality)
        self._depth = 0

    def __enter__(self) -> Edit:
        self._depth += 1
        return self._edit

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._depth -= 1
        if self._depth:
            return
        self._world.close_edit()
        if kind is None:
            self._world.commit(self._edit)
