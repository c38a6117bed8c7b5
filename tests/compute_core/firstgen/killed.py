"""A process that moves a VM and is killed by SIGKILL when one line stands in the journal.

`python -m tests.compute_core.firstgen.killed GENERATIONS HOSTS MOVES VM STEP EVENT`
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from compute_core.firstgen.fleet import read_generations
from compute_core.firstgen.journal import Line
from compute_core.firstgen.kit import look_into
from compute_core.firstgen.move import Means
from compute_core.firstgen.mover import Mover, Order
from compute_core.firstgen.pools import Placing, Pools
from compute_core.firstgen.ssh import Ssh
from compute_core.model.clock import Clock
from compute_core.settings import read_inventory
from compute_core.xenapi.http import HttpTransport
from tests.compute_core.firstgen.landing import EPOCH, GENTLE


async def main(generations_file: str, hosts_file: str, moves: str, vm: str, step: str, event: str) -> None:
    generations = read_generations(Path(generations_file), {host.name: host for host in read_inventory(Path(hosts_file))})
    order = Order(*vm.split("/"))

    def dies(_: Order, line: Line) -> None:
        if (line.step, line.event) == (step, event):
            os.kill(os.getpid(), signal.SIGKILL)

    async with Ssh(generations.known_hosts, generations.key) as shell, Pools(generations.destinations, HttpTransport) as pools:
        means = Means(generations, shell, pools, Placing(pools, generations), look_into(generations.kit), GENTLE)
        mover = Mover(means, Path(moves), Clock.starting(EPOCH), dies)
        await mover.move([order])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
