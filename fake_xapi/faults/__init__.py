"""Faults as data: rules over the calls that hosts are sent. What they say happens between the transports and the engine.

May not know scenarios, nor which transport carries a call.
"""
