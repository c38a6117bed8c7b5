"""Classes, fields, messages, enums, errors, roles and releases as values.

The values are made by ``catalogue`` from the data file; nothing here reads a file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fake_xapi.datamodel.types import Type

Qualifier = Literal["RW", "StaticRO", "DynamicRO"]
MessageKind = Literal[
    "field_getter",
    "field_setter",
    "field_add",
    "field_remove",
    "get_record",
    "get_by_uuid",
    "get_by_name_label",
    "get_all",
    "get_all_where",
    "get_all_records",
    "get_all_records_where",
    "create",
    "destroy",
    "custom",
]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a class. ``column`` is its name in query expressions; ``default`` is a state value."""

    name: str
    type: Type
    qualifier: Qualifier
    release: int
    column: str
    default: object
    has_default: bool
    is_required_in_create: bool
    is_persistent: bool
    is_internal: bool
    reader_roles: str
    writer_roles: str
    map_keys_roles: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a message, the session excluded. ``default`` is the wire value of an optional one."""

    name: str
    type: Type
    release: int
    is_optional: bool = False
    default: object = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``field`` is what an implied accessor reads or writes; ``roles`` a key of the role sets ("" = none)."""

    cls: str
    name: str
    kind: MessageKind
    params: tuple[Parameter, ...]
    result: Type
    release: int
    roles: str
    field: str = ""
    is_async: bool = False
    needs_session: bool = True
    is_hidden: bool = False
    is_pool_internal: bool = False
    is_removed: bool = False
    is_deprecated_stub: bool = False
    map_keys_roles: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def wire_name(self) -> str:
        """``Class.message``."""
        return f"{self.cls}.{self.name}"

    @property
    def min_params(self) -> int:
        """The number of parameters that a caller must give, the session excluded."""
        return sum(not param.is_optional for param in self.params)


@dataclass(frozen=True, slots=True)
class ClassModel:
    """One class: its fields in the order of the datamodel and all its messages, implied ones included."""

    name: str
    release: int
    fields: tuple[Field, ...]
    messages: tuple[Message, ...]
    is_in_database: bool
    has_events: bool
    is_persistent: bool
    has_default_create_destroy: bool
    exposes_get_all: bool
    creates_task_record: bool
    roles: str
    implicit_roles: str


@dataclass(frozen=True, slots=True)
class Relation:
    """Both ends of a relation: ``many`` holds one ref (or a set, for many-to-many), ``one`` the set that mirrors it."""

    from_class: str
    from_field: str
    to_class: str
    to_field: str


@dataclass(frozen=True, slots=True)
class Release:
    """A release: ``code`` is its name ("clearwater", "24.19.1"); ``version`` the product's number, "" for a release without one."""

    index: int
    code: str
    version: str
    branding: str
    api: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Role:
    """One of the roles that operators assign; its ref and uuid are the same in every pool."""

    name_label: str
    uuid: str
    is_internal: bool


@dataclass(frozen=True, slots=True)
class Datamodel:
    """Everything known about XenAPI, as of the newest release.

    ``errors``: every error's parameters; ``declared_errors``: by ``Class.message``, what it says it may be refused with, where it does.
    """

    classes: Mapping[str, ClassModel]
    enums: Mapping[str, tuple[str, ...]]
    errors: Mapping[str, tuple[str, ...]]
    declared_errors: Mapping[str, tuple[str, ...]]
    relations: tuple[Relation, ...]
    releases: tuple[Release, ...]
    roles: tuple[Role, ...]
    role_sets: Mapping[str, tuple[str, ...]]
    emergency_calls: frozenset[str]
    slave_whitelist: frozenset[str]
    alert_priorities: Mapping[str, int]
    http_actions: tuple[HttpAction, ...]
    historical: Mapping[str, HistoricalModel]


@dataclass(frozen=True, slots=True)
class HttpAction:
    """An HTTP handler and the roles that may use it, unless any session may. Parts of it may need other roles."""

    name: str
    method: str
    uri: str
    roles: str
    is_checked: bool = True
    sub_actions: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HistoricalModel:
    """What a release of 2011 to 2013 had, according to its own code: the newest model is only filtered by it."""

    code: str
    fields: Mapping[str, tuple[tuple[str, Qualifier], ...]]
    messages: Mapping[str, tuple[Message, ...]]
    exposes_get_all: frozenset[str]
    has_default_create_destroy: frozenset[str]
    enums: Mapping[str, tuple[str, ...]]
    errors: Mapping[str, tuple[str, ...]]
