"""The identity service: its port and the embedded adapter, a small Keystone of users, projects, roles and tokens.

May not know the REST API that shows it.
"""
