"""The image service: its port, what an image file must be, and the embedded adapter that keeps files in a folder.

May not know the REST API, nor how a host fetches an image.
"""
