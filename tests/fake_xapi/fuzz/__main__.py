"""Run one chapter of a campaign again: ``python -m tests.fake_xapi.fuzz calls-latest 17 2500``."""

from __future__ import annotations

import sys

from tests.fake_xapi.fuzz.campaigns import CAMPAIGNS


def main(name: str, seed: str, count: str = "") -> int:
    """Print what was wrong; 1 if anything was."""
    campaign = CAMPAIGNS[name]
    complaints = campaign.run(seed, int(count or campaign.size))
    for complaint in complaints:
        sys.stdout.write(f"{complaint}\n")
    sys.stdout.write(f"{len(complaints)} complaints\n")
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
