"""Runs one simulated XAPI over one world: dispatch, marking of operations, tasks, events, sessions, time.

May not know how calls travel.
"""
