"""The one exception of XenAPI: a code from the catalogue and its parameters."""

from __future__ import annotations


class Failure(Exception):
    """A refusal by XAPI: ``details`` is the ErrorDescription, code first.

    Parameters are texts, or ids of objects that the border turns into refs (see ``Handle``).
    """

    def __init__(self, code: str, *params: str | Handle) -> None:
        super().__init__(code, *params)
        self.code = code
        self.params = params

    @property
    def details(self) -> list[str]:
        """The ErrorDescription as texts; only meaningful once none of the parameters is a ``Handle`` any more."""
        return [self.code, *(str(param) for param in self.params)]


class Handle(int):
    """The id of an object as an error's parameter: turned into a ref at the border, where the world is known."""

    __slots__ = ()
