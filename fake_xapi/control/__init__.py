"""Control of a running simulation from outside: its hosts, worlds, faults, clock and calls, with a dashboard.

Nothing of it is loaded, or costs anything, unless somebody asks for it.
"""
