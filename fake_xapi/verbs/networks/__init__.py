"""The verbs of networks: PIFs, bonds, VLANs, tunnels, virtual functions, VIFs, and the interface that a host is managed over."""
