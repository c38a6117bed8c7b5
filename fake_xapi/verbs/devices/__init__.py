"""The verbs of devices that VMs are given: PCI, graphics, USB, storage proxies."""
