"""The simulated guest: it boots in stages, answers on its network, reports to its host, and shuts down when it is told to.

May not know the engine: it runs as background work of the call that started it.
"""
