"""Handlers of the network endpoint: what the networks are, to choose from. They are the operator's; nothing can be made here."""
