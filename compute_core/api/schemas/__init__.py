"""JSON schemas of what clients may send, per microversion where that matters. Values only: no request, no handler."""
