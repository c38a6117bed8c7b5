"""Lays our plugin out in the dom0 of hosts, and says where it stands. What the plugin does is nothing to it."""
