"""Speaks XenAPI: the session with its transports, and the recipes, one per compute operation.

May not know of cells, buses or databases. Recipes read like an operator's checklist; each step has its undo beside it.
"""
