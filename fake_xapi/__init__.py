"""A stateful XenAPI simulator: thousands of XenServer hosts in one process.

Knows nothing of the compute core: the two meet over XenAPI only.
"""
