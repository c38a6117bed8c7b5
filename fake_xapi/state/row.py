"""An object as it is stored: the values of its fields, and the generations in which it was created and last changed."""

from __future__ import annotations

from typing import Any

from fake_xapi.state.layout import Layout


class Row:
    """Immutable by convention: a change creates another row. Read fields as ``row["power_state"]``."""

    __slots__ = ("created", "layout", "modified", "values")

    def __init__(self, layout: Layout, values: tuple[Any, ...], created: int, modified: int) -> None:
        self.layout = layout
        self.values = values
        self.created = created
        self.modified = modified

    def __getitem__(self, field: str) -> Any:
        return self.values[self.layout.index[field]]

    @property
    def cls(self) -> str:
        """The class of the object."""
        return self.layout.cls

    def __repr__(self) -> str:
        changed = {
            name: value
            for name, value, default in zip(self.layout.names, self.values, self.layout.defaults, strict=True)
            if value != default
        }
        return f"{self.cls}({changed})"
