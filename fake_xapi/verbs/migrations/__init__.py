"""The verbs that move VMs and disks between hosts and pools."""
