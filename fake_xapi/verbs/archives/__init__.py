"""VMs and pools as files: XVA archives, their metadata, recovery from a disk."""
