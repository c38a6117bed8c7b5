"""The scheduler: pure functions over a snapshot of hosts; filters, weighers, placement of a batch.

May not know stores, buses or clocks; chance is passed in.
"""
