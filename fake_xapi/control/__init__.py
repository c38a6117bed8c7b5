"""Control of a running simulation from outside: its hosts, worlds, faults and clock, what it is asked, and a page to look at it all.

Nothing of it is loaded, and nothing costs anything, unless somebody asks for it.
"""
