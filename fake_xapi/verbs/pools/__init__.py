"""The verbs of pools: membership and leadership, settings, high availability, and upgrades host by host."""
