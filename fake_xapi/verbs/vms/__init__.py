"""The verbs of VMs: their life and power, copies, settings, groups, policies and appliances, and the memory and hosts that they get."""
