"""The messages of XenAPI that do not follow from its fields: one module per class or role, ``registry`` names them all."""
