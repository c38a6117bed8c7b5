"""The simulated guest: it boots in stages, answers on its network, tells its host about itself, and goes when it is told.

May not know the engine: it lives in what the call that started it leaves behind.
"""
