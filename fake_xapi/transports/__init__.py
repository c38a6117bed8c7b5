"""How calls and disk images come in and answers go out: XML-RPC, JSON-RPC, HTTP handlers and the in-process transport.

May not know what a call means: that is the engine's.
"""
