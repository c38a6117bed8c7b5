"""Every HTTP handler by method and path."""

from __future__ import annotations

from fake_xapi.transports import patch_upload, raw_vdis
from fake_xapi.transports.transfers import Handlers

HANDLERS: Handlers = {
    **patch_upload.HANDLERS,
    **raw_vdis.HANDLERS,
}
