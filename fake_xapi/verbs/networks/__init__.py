"""The verbs of networks: PIFs, bonds, VLANs, tunnels, virtual functions, VIFs, and the management interface."""
