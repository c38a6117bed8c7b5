"""Builds worlds: a golden host for each release, and fleets of hosts that share it and yet differ in every uuid.

May not know who serves them, apart from acting as their router.
"""
