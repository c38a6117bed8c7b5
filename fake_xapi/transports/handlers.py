"""Every HTTP handler by method and path."""

from __future__ import annotations

from fake_xapi.transports import raw_vdis
from fake_xapi.transports.transfers import Handlers

HANDLERS: Handlers = {
    **raw_vdis.HANDLERS,
}
