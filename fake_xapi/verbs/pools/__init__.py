"""The verbs of pools: who belongs to one and who leads it, its settings, high availability, and upgrades host by host."""
