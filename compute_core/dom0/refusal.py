"""What a function of the plugin answers when it does not do what it was asked for.

The kinds are the contract with callers; on the wire each is the class of an XENAPI_PLUGIN_EXCEPTION.
"""

from typing import Any, Dict

BAD_ARGUMENTS = "BadArguments"
"""The call cannot be meant; it would fail anywhere."""
BAD_IMAGE = "BadImage"
"""Bytes that are not the disks that they claim to be."""
NOT_FOUND = "NotFound"
"""An image, disk, SR or domain that is not there."""
DENIED = "Denied"
"""The image service, or the other host, does not let us."""
RETRYABLE = "Retryable"
"""It may work the next time; nothing was left behind."""
FULL = "Full"
"""The SR has no room."""
TIMED_OUT = "TimedOut"
"""The guest's agent did not answer in time."""
REBOOTED = "Rebooted"
"""The domain is gone, and with it whoever should have answered."""
FAILED = "Failed"
"""A command of dom0 failed."""


class Refusal(Exception):
    """``kind`` is one of the constants above, the text a sentence for an operator."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


Arguments = Dict[str, Any]


def bad_image(text: str) -> Refusal:
    """The image, or a disk in it, is wrong."""
    return Refusal(BAD_IMAGE, text)
