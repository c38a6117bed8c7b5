"""The plugins of a simulated dom0: each acts on the state that a real one's commands would change.

Layer: as the verbs. A module is a plugin; which functions it offers on the wire stands in ``verbs/hosts/host_plugins.py``.
"""
