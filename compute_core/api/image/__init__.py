"""Handlers of the image endpoint: Glance's v2 API over the image store."""
