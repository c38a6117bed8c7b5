"""A compute core for XenAPI: REST API, cells, scheduler, an agent per host, recipes.

Meets simulators and real hosts over XenAPI only; it may not know which of them it drives.
"""
