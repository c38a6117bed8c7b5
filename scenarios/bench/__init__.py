"""Benchmarks: each measures what the product claims and prints its figure next to its target and to a peer's figure.

CPU time and memory, not wall time, wherever the claim allows: machines are noisy.
"""
