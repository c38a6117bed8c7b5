"""The REST API: one readable table of routes over thin handlers; Flask at the border, the loop does the work.

May not know how cells, images or identities do what they are asked.
"""
