"""Takes secrets out of calls and answers before they are written: passwords, keys, tokens, and whatever lets anybody in.

A session's ref becomes a stand-in that is the same wherever it occurs; any other secret becomes the same word. May not know files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.model import Message
from fake_xapi.datamodel.types import NULL_REF
from fake_xapi.faults.names import message_name

HIDDEN = "********"
STAND_IN = "OpaqueRef:session-"
_NAMED = r"passw|^pass$|passphrase|pwd|psecret|secret|chap(?!.*user)|token(?!_timeout)|credential|private.?key|psk|auth.?key|session_id"
_SECRET = re.compile(_NAMED, re.IGNORECASE)
_CREDENTIALS = re.compile(rf"^session\.|login|{_NAMED}", re.IGNORECASE)
"""A message that nobody knows and that is called so may have been meant to let somebody in: all that it was told is left out."""
_UUIDS_OF_SECRETS = re.compile(r"secret$", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_REF = re.compile(r"OpaqueRef:[0-9A-Za-z-]+")
_IN_QUERY = re.compile(r"\b((?:session_id|pool_secret|[a-z_]*password)=)[^&\s\"'<>]+", re.IGNORECASE)
_IN_XML = re.compile(rf"(<name>[^<]*(?:{_NAMED})[^<]*</name>\s*<value>(?:\s*<string>)?)[^<]+", re.IGNORECASE)
_PUBLIC = frozenset({"configuration", "license_params", "restrictions"})
"""Fields whose maps say what there is, and hold nothing secret whatever their keys are called."""

_PARAMS: Mapping[str, tuple[int, ...]] = {
    "secret.set_value": (1,), "VTPM.set_contents": (1,), "host.notify_accept_new_pool_secret": (1, 2),
    "host.notify_send_new_pool_secret": (1, 2), "host.cleanup_pool_secret": (1, 2),
}  # fmt: skip
"""Parameters, the session left out, that are secret though their names do not say so."""
_RESULTS = frozenset({"secret.get_value", "VTPM.get_contents"})
_FIELDS: Mapping[str, frozenset[str]] = {"secret": frozenset({"value"}), "vtpm": frozenset({"contents"})}
_HARMLESS = frozenset({("event", "token"), ("VBD", "token")})
"""Parameters, and members of answers, that only say where somebody is."""
_PLUGINS = frozenset({"host.call_plugin", "host.call_extension", "VM.call_plugin"})
"""What plugins are told and say may be pickles, JSON or XML: a text of theirs in which such a word stands is left out whole."""


class Scrubber:
    """Knows the sessions that it has seen."""

    def __init__(self) -> None:
        self._sessions: dict[str, str] = {}

    def session_of(self, method: str, params: Sequence[Any]) -> str:
        """The stand-in of the session that a call belongs to, "" when it belongs to none."""
        return self.stand_in(params[0]) if has_session(method, params) else ""

    def stand_in(self, ref: str) -> str:
        """What a session's ref is called from now on, wherever it occurs."""
        if ref in ("", NULL_REF) or ref.startswith(STAND_IN):
            return ref
        known = self._sessions.get(ref)
        if known is None:
            known = self._sessions[ref] = STAND_IN + hashlib.sha256(ref.encode()).hexdigest()[:16]
        return known

    def params(self, method: str, params: Sequence[Any]) -> list[Any]:
        """The parameters of a call, the session left out."""
        name = message_name(method)
        given = list(params[1:]) if has_session(method, params) else list(params)
        names, places = _param_names(name), _PARAMS.get(name, ())
        if name not in known_messages() and _CREDENTIALS.search(name):
            return [HIDDEN for _ in given]
        named = dict(zip(names, given, strict=False))
        said = [*names, *[""] * len(given)]
        if isinstance(named.get("key"), str) and isinstance(named.get("value"), str) and is_secret(named["key"], named["value"]):
            places = (names.index("value"),)
        return [self._param(name, value, said[place], is_listed=place in places) for place, value in enumerate(given)]

    def _param(self, message: str, value: Any, said: str, *, is_listed: bool) -> Any:
        if isinstance(value, str) and said in _session_params(message):
            return self.stand_in(value)
        is_told = bool(_SECRET.search(said)) and (message.partition(".")[0], said) not in _HARMLESS
        if isinstance(value, str) and (is_listed or (is_told and not _is_handle(value))):
            return HIDDEN if value else value
        return self.value(message, value)

    def result(self, method: str, value: Any) -> Any:
        """What a call answered."""
        name = message_name(method)
        if isinstance(value, str) and _answers_session(name):
            return self.stand_in(value)
        if name in _RESULTS and isinstance(value, str):
            return HIDDEN
        return self.value(name, value)

    def value(self, message: str, value: Any) -> Any:
        """Any value of a message."""
        cls, _, verb = message.partition(".")
        return self._clean(value, verb.removeprefix("get_").removeprefix("set_"), cls, is_plugin=message in _PLUGINS)

    def _clean(self, value: Any, within: str, cls: str, *, is_plugin: bool) -> Any:
        match value:
            case str():
                return self._text(value, is_plugin=is_plugin)
            case list():
                return [self._clean(member, within, cls, is_plugin=is_plugin) for member in value]
            case dict():
                cls = str(value["class"]) if "class" in value and "snapshot" in value else cls
                return {self._text(key): self._member(key, member, within, cls, is_plugin=is_plugin) for key, member in value.items()}
        return value

    def _member(self, key: str, value: Any, within: str, cls: str, *, is_plugin: bool) -> Any:
        is_place = within == "from" and (cls, key) in _HARMLESS
        if isinstance(value, str) and within not in _PUBLIC and not is_place and is_secret(key, value, cls):
            return self._sessions.get(value, HIDDEN)
        return self._clean(value, "" if key.startswith("OpaqueRef:") else key, cls, is_plugin=is_plugin)

    def _text(self, text: str, *, is_plugin: bool = False) -> str:
        if is_plugin and len(text) > 16 and _SECRET.search(text):
            return HIDDEN
        if "OpaqueRef:" in text and self._sessions:
            text = _REF.sub(lambda found: self._sessions.get(found[0], found[0]), text)
        if "=" in text or "</name>" in text:
            text = _IN_XML.sub(rf"\1{HIDDEN}", _IN_QUERY.sub(self._query, text))
        return text

    def _query(self, found: re.Match[str]) -> str:
        value = found[0][len(found[1]) :]
        return found[1] + (value if value.startswith(STAND_IN) else HIDDEN)


def is_secret(key: str, value: str, cls: str = "") -> bool:
    """Whether what stands under a key lets anybody in: handles of secrets do not, nor does what is empty or a yes or no."""
    if key in _FIELDS.get(cls.lower(), ()):
        return bool(value)
    if not value or value in ("true", "false") or not _SECRET.search(key):
        return False
    return not (_is_handle(value) and key.lower() != "session_id" and (value.startswith("OpaqueRef:") or _UUIDS_OF_SECRETS.search(key)))


def _is_handle(value: str) -> bool:
    return value.startswith("OpaqueRef:") or _UUID.fullmatch(value) is not None


def has_session(method: str, params: Sequence[Any]) -> bool:
    """Whether the first parameter of a call is its session; of a message that is not known, when it looks like one."""
    if not params or not isinstance(params[0], str):
        return False
    known = known_messages().get(message_name(method))
    return params[0].startswith("OpaqueRef:") if known is None else known.needs_session


@cache
def known_messages() -> Mapping[str, Message]:
    """Every message of any release by its dotted name, the newest form of it."""
    old = (message for model in datamodel().historical.values() for messages in model.messages.values() for message in messages)
    new = (message for cls in datamodel().classes.values() for message in cls.messages)
    return {message.wire_name: message for message in (*old, *new)}


@cache
def _param_names(message: str) -> tuple[str, ...]:
    known = known_messages().get(message)
    return tuple(param.name for param in known.params) if known is not None else ()


@cache
def _answers_session(message: str) -> bool:
    known = known_messages().get(message)
    return known is not None and known.result.kind == "ref" and known.result.name == "session"


@cache
def _session_params(message: str) -> frozenset[str]:
    known = known_messages().get(message)
    return frozenset(param.name for param in known.params if param.type.name == "session") if known is not None else frozenset()
