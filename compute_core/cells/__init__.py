"""The cell tree: the API cell at its top, compute cells below; routing, capacity, placement, healing.

May not know HTTP above it nor XenAPI below it: it meets agents over the bus only. What the API asks is in ``port.py``.
"""
