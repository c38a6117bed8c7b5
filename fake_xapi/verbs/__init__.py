"""The messages of XenAPI that do not follow from its fields: a package for each area, a module for each class or role; ``registry`` names
them all.
"""
