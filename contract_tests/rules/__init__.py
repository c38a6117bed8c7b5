"""The rules that the suite holds servers to, by what they are about; each test says which it holds by ``@pytest.mark.rule(...)``.

Names only: what a rule says stands in the docstrings and asserts of its tests. A number is the place of a check in the order in which
a server makes its checks.
"""

from __future__ import annotations

from collections.abc import Mapping

from contract_tests.rules import networks, pools, storage, vms, wire

RULES: Mapping[str, tuple[str, ...]] = {**wire.RULES, **vms.RULES, **storage.RULES, **networks.RULES, **pools.RULES}
"""By subject, every rule that is held by a test."""

UNSEEN: Mapping[str, str] = {**wire.UNSEEN, **vms.UNSEEN, **storage.UNSEEN, **networks.UNSEEN, **pools.UNSEEN}
"""Rules that no client can see on a server that it must leave as it was, and why."""
