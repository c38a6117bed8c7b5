"""Every HTTP handler by method and path."""

from __future__ import annotations

from fake_xapi.transports import bundles, patch_upload, raw_vdis, vm_archives
from fake_xapi.transports.transfers import Handlers

HANDLERS: Handlers = {
    **bundles.HANDLERS,
    **patch_upload.HANDLERS,
    **raw_vdis.HANDLERS,
    **vm_archives.HANDLERS,
}
