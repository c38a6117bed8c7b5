"""A personality: the release that a simulated host pretends to be. A filter over the datamodel, nothing more.

Fields and messages that a release lacks do not exist there. The releases of 2011 to 2013 are filtered by what their own code has;
later ones by the release in which, according to the newest datamodel, a thing was introduced.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.derive import ClassFacts, implied_messages
from fake_xapi.datamodel.model import ClassModel, Datamodel, Field, HistoricalModel, Message, Release

Era = Literal["boston", "tampa", "clearwater", "modern"]
LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Personality:
    """What one release has. ``messages`` is keyed by both spellings of a name, ``Class.message`` and ``Class_message``."""

    name: str
    era: Era
    release: Release
    classes: Mapping[str, ClassModel] = field(repr=False)
    messages: Mapping[str, Message] = field(repr=False)
    errors: Mapping[str, tuple[str, ...]] = field(repr=False)
    enums: Mapping[str, tuple[str, ...]] = field(repr=False)

    def has_field(self, cls: str, name: str) -> bool:
        """Whether the release's class has a visible field of that name."""
        return cls in self.classes and any(known.name == name for known in self.classes[cls].fields)


def personality(name: str = LATEST) -> Personality:
    """The personality for a code name ("clearwater"), a version ("6.2") or "latest"; ValueError suggests names."""
    return _of(_find(datamodel(), name))


@cache
def _of(release: Release) -> Personality:
    model = datamodel()
    if release.code in model.historical:
        return _historical(model, release, model.historical[release.code])
    classes = {cls.name: _as_of(cls, release) for cls in model.classes.values() if cls.release <= release.index}
    return Personality(
        name=release.code,
        era="modern",
        release=release,
        classes=classes,
        messages=_by_wire_name(classes.values()),
        errors=model.errors,
        enums=model.enums,
    )


def names() -> list[str]:
    """Every name that ``personality`` accepts, oldest release first."""
    model = datamodel()
    codes = [release.code for release in model.releases if release.code]
    return [*codes, *(release.version for release in model.releases if release.code and release.version), LATEST]


def _find(model: Datamodel, name: str) -> Release:
    named = [release for release in model.releases if release.code]
    if name == LATEST:
        return replace(named[-1], branding=_newest_product(named))
    for release in named:
        if name and name in (release.code, release.version):
            return release
    close = ", ".join(difflib.get_close_matches(name, names(), n=3, cutoff=0.3)) or LATEST
    raise ValueError(f"no XenServer release is called {name!r}; did you mean one of: {close}?")


def _newest_product(releases: list[Release]) -> str:
    return next(release.branding for release in reversed(releases) if release.branding)


def _as_of(cls: ClassModel, release: Release) -> ClassModel:
    fields = tuple(field for field in cls.fields if field.release <= release.index)
    implied = _once_implied(cls.name, fields)
    messages = (message for message in cls.messages if message.release <= release.index or message.name in implied)
    return replace(cls, fields=fields, messages=tuple(_trimmed(message, release) for message in messages))


def _once_implied(cls: str, fields: Iterable[Field]) -> frozenset[str]:
    """The setters that followed from a class's fields in clearwater: a setter that is written out today may be older than that."""
    old = dict(datamodel().historical["clearwater"].fields.get(cls, ()))
    writable = [field.name for field in fields if old.get(field.name) == "RW"]
    return frozenset(f"{verb}_{name}" for name in writable for verb in ("set", "add_to", "remove_from"))


def _trimmed(message: Message, release: Release) -> Message:
    """A message with the parameters of its time; one that was always required is never dropped."""
    params = tuple(param for param in message.params if param.release <= release.index or not param.is_optional)
    return message if len(params) == len(message.params) else replace(message, params=params)


def _historical(model: Datamodel, release: Release, old: HistoricalModel) -> Personality:
    classes = {name: _historical_class(model.classes[name], old) for name in old.fields}
    return Personality(
        name=release.code,
        era=release.code,  # type: ignore[arg-type]  # the three historical codes are the three old eras
        release=release,
        classes=classes,
        messages=_by_wire_name(classes.values()),
        errors=old.errors,
        enums=old.enums,
    )


def _historical_class(cls: ClassModel, old: HistoricalModel) -> ClassModel:
    today = {field.name: field for field in cls.fields}
    fields: tuple[Field, ...] = tuple(replace(today[name], qualifier=qualifier) for name, qualifier in old.fields[cls.name])
    facts = ClassFacts(
        cls.name,
        cls.release,
        cls.is_in_database,
        cls.name in old.exposes_get_all,
        cls.name in old.has_default_create_destroy,
        cls.roles,
        cls.implicit_roles,
    )
    mirrored = frozenset(r.to_field for r in datamodel().relations if r.to_class == cls.name)
    implied = tuple(implied_messages(facts, fields, mirrored))
    written = {message.name for message in old.messages[cls.name]}
    custom = tuple(_with_roles(message, cls) for message in old.messages[cls.name])
    return replace(
        cls,
        fields=fields,
        messages=(*(message for message in implied if message.name not in written), *custom),
        has_default_create_destroy=facts.has_default_create_destroy,
        exposes_get_all=facts.exposes_get_all,
    )


def _with_roles(message: Message, cls: ClassModel) -> Message:
    """An old message with the roles and defaults of today's message of that name; a lost one has its class's roles."""
    today = next((m for m in cls.messages if m.name == message.name), None)
    if today is None:
        return replace(message, roles=cls.roles)
    defaults = {param.name: param.default for param in today.params}
    params = tuple(replace(param, default=defaults.get(param.name)) for param in message.params)
    return replace(
        message,
        params=params,
        roles=today.roles,
        needs_session=today.needs_session,
        is_pool_internal=today.is_pool_internal,
        is_deprecated_stub=today.is_deprecated_stub,
        map_keys_roles=today.map_keys_roles,
    )


def _by_wire_name(classes: Iterable[ClassModel]) -> dict[str, Message]:
    found: dict[str, Message] = {}
    for cls in classes:
        for message in cls.messages:
            found[f"{cls.name}.{message.name}"] = message
            found[f"{cls.name}_{message.name}"] = message
    return found
