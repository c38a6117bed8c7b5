"""The rules to which the suite holds servers, by subject; each test names its rule with ``@pytest.mark.rule(...)``.

Names only: the docstrings and asserts of its tests say what a rule demands. A number is the position of a check in the order in which
a server makes its checks.
"""

from __future__ import annotations

from collections.abc import Mapping

from contract_tests.rules import networks, pools, storage, vms, wire

RULES: Mapping[str, tuple[str, ...]] = {**wire.RULES, **vms.RULES, **storage.RULES, **networks.RULES, **pools.RULES}
"""By subject, every rule that a test checks."""

UNSEEN: Mapping[str, str] = {**wire.UNSEEN, **vms.UNSEEN, **storage.UNSEEN, **networks.UNSEEN, **pools.UNSEEN}
"""Rules that no client can observe on a server that it must leave unchanged, and why."""
