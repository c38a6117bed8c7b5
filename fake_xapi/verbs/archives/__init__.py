"""VMs and pools as files: XVA archives, metadata, recovery from a disk."""
