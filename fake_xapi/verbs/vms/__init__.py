"""The verbs of VMs: power operations, copies, settings, groups, policies and appliances, and how VMs get memory and hosts."""
