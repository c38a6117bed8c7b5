"""Networks that servers are plugged into: a port and the embedded flat network.

May not know cells, instances beyond their uuid, or XenAPI.
"""
