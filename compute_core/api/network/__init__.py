"""Handlers of the network endpoint: the operator's networks, to choose from, and users' ports and security groups."""
