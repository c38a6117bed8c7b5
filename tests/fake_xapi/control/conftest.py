"""What tests of the control plane share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import XenAPI

from tests.fake_xapi.control.rig import Rig


@pytest.fixture
def session(rig: Rig) -> Iterator[Any]:
    """A session on the first host of the module's own rig."""
    session = XenAPI.Session(rig.xapi_url())
    session.login_with_password("root", "xenroot")
    yield session
    session.xenapi.session.logout()
    session("close")()
