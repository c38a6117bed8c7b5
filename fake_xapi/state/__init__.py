"""The world as a value: tables of immutable rows, both ends of every relation, indexes, change feed, fork, diff, save.

May not know what a state means: which operations are allowed, what a verb does, or the form of values on the wire.
"""
