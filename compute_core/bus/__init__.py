"""The message bus between cells and agents: a port, an in-process adapter and an AMQP adapter.

May not know what the messages mean.
"""
