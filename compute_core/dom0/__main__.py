"""What XAPI starts: one call on the command line, its answer on the standard output."""

import os
import sys

from compute_core.dom0.functions import FUNCTIONS
from compute_core.dom0.machine import machine_here
from compute_core.dom0.protocol import answer


def main() -> None:
    """Answer the call."""
    if len(sys.argv) != 2:
        raise SystemExit("This is a plugin of XenAPI: host.call_plugin starts it. Its functions: {}".format(", ".join(FUNCTIONS)))
    sys.stdout.write(answer(sys.argv[1], FUNCTIONS, machine_here(os.environ)) + "\n")


if __name__ == "__main__":
    main()
