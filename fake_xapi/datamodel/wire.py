"""Wire values, and how XML-RPC writes each of them.

XenAPI's values are plain Python: str, int, float, bool, None, list, dict, and the two types below where Python has no type of
its own. The engine needs the XML form as well (``task.result`` is XML), so it is here and not with the transports.
May not know requests, replies or worlds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping


class DateTime(str):
    """A date: ``20120801T00:00:00Z``."""

    __slots__ = ()


class Int32(int):
    """An int that XML-RPC writes as ``<i4>``; every other int of XenAPI is sent as bare text."""

    __slots__ = ()


_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPECIAL = re.compile(r'[<>&"\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]').search


def escape(text: str) -> str:
    """Text for XML: the four special characters escaped, characters that XML cannot carry dropped."""
    if not _SPECIAL(text):
        return text
    return _UNFIT.sub("", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def xml_value(value: object) -> str:
    """The ``<value>`` element for a wire value; TypeError for anything else."""
    dump = _DUMPERS.get(type(value))
    if dump is None:
        raise TypeError(f"{type(value).__name__} is no wire value")
    return dump(value)


def xml_string(text: str) -> str:
    """A bare string, as strict clients want it: ``<value/>`` when empty."""
    return f"<value>{escape(text)}</value>" if text else "<value/>"


def xml_bool(value: object) -> str:
    """``<boolean>``, the one XML-RPC type on which XenAPI insists."""
    return "<value><boolean>1</boolean></value>" if value else "<value><boolean>0</boolean></value>"


def xml_int(value: object) -> str:
    """An int as bare text."""
    return f"<value>{value}</value>"


def xml_float(value: float) -> str:
    """A double in at most sixteen digits."""
    return f"<value><double>{value:.16g}</double></value>"


def xml_date(text: str) -> str:
    """A date."""
    return f"<value><dateTime.iso8601>{escape(text)}</dateTime.iso8601></value>"


def xml_struct(members: Mapping[str, str]) -> str:
    """A struct from members that are XML already. XAPI does not escape members' names, so neither do we."""
    if not members:
        return "<value><struct/></value>"
    inside = "".join([f"<member><name>{name}</name>{value}</member>" for name, value in members.items()])
    return f"<value><struct>{inside}</struct></value>"


def xml_array(elements: list[str]) -> str:
    """An array from elements that are XML already."""
    if not elements:
        return "<value><array><data/></array></value>"
    return f"<value><array><data>{''.join(elements)}</data></array></value>"


def _sequence(value: list[object]) -> str:
    return xml_array([xml_value(element) for element in value])


def _mapping(value: Mapping[str, object]) -> str:
    return xml_struct({name: xml_value(member) for name, member in value.items()})


_DUMPERS: Mapping[type, Callable[..., str]] = {
    str: xml_string,
    bool: xml_bool,
    int: xml_int,
    Int32: lambda value: f"<value><i4>{int(value)}</i4></value>",
    float: xml_float,
    DateTime: xml_date,
    list: _sequence,
    tuple: _sequence,
    dict: _mapping,
    type(None): lambda _: "<value><nil/></value>",
}
