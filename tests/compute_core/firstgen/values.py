"""Values that tests of the first generation share."""

from __future__ import annotations

from pathlib import Path

from compute_core.firstgen.fleet import Generations


def some_generations(*, room_mib: int) -> Generations:
    return Generations(Path("known_hosts"), Path("kit.tar"), {}, {}, room_mib=room_mib)
