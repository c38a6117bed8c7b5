"""What dom0 of a simulated host holds: the bytes of disks and the format in which they travel.

May not know the engine: the verbs reach it through their call.
"""
