"""The agent of one host: builds, changes and removes its servers, and reports on them.

Meets the cell over the bus and the host over XenAPI; may not know a database, nor who asked the cell.
"""
