"""How Neutron chooses among things: by any of their members, any of whose values may be wished; and who may see what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from compute_core.api.call import Call, Query

_OTHER = frozenset({"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"})
_NESTED = "fixed_ips"


def chosen(call: Call, views: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that the query means, of each the members that it asks for."""
    query, fields = call.query, call.query.all("fields")
    found = [view for view in views if _is_meant(view, query)]
    return [{name: value for name, value in view.items() if name in fields} for view in found] if fields else found


def project_of(call: Call, asked: Mapping[str, Any]) -> str:
    """Whose a new thing is: an admin may make others'."""
    named = asked.get("project_id") or asked.get("tenant_id")
    return str(named) if named and call.context.is_admin else call.context.project_id


def whose(call: Call) -> str | None:
    """Whose things the caller sees; None: everybody's."""
    return None if call.context.is_admin else call.context.project_id


def _is_meant(view: Mapping[str, Any], query: Query) -> bool:
    return all(_fits(view, name, query.all(name)) for name in query.names if name not in _OTHER)


def _fits(view: Mapping[str, Any], name: str, wanted: tuple[str, ...]) -> bool:
    """A member that a thing does not have is not asked about."""
    if name not in view:
        return True
    if name == _NESTED:
        pairs = {f"{key}={value}" for each in view[name] for key, value in each.items()}
        return all(pair in pairs for pair in wanted)
    value = view[name]
    values = {str(each).lower() for each in value} if isinstance(value, list) else {"" if value is None else str(value).lower()}
    return any(each.lower() in values for each in wanted)
