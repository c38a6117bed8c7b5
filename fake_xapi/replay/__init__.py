"""Recordings of what a XenServer answers: taken on the way, and made into worlds that look like it and into cases for the contract.

Knows wire forms, worlds and fleets. May not know the control plane.
"""
