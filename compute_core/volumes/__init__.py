"""Volumes: the port to a volume service, an embedded one over the LUNs of iSCSI arrays, and the way to a real Cinder.

May not know cells, agents or the REST API.
"""
