"""XenAPI's classes, fields, messages, errors, roles and releases as data.

Holds facts only: it may not know that a world, a call or a wire exists.
"""
