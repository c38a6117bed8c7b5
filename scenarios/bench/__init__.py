"""Benchmarks: each measures a claim of the product and prints the figure next to its target and to that of a comparable project.

CPU time and memory, not wall time, wherever the claim allows: machines are noisy.
"""
