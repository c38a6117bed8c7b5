"""Instances, flavors, images, hosts, requests and their state transitions, as values.

May not know how a value is stored, sent or served.
"""
