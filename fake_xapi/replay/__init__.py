"""Recordings of a XenServer's answers: made by a proxy, and turned into worlds that look like it and into cases for the contract.

Knows wire formats, worlds and fleets. May not know the control plane.
"""
