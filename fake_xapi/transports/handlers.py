"""Every HTTP handler by method and path."""

from __future__ import annotations

from fake_xapi.transports import audit_log, blobs, bundles, consoles, domain_memory, message_feed, patch_upload, raw_vdis, rrds, vm_archives
from fake_xapi.transports.transfers import Handlers

HANDLERS: Handlers = {
    **audit_log.HANDLERS,
    **blobs.HANDLERS,
    **bundles.HANDLERS,
    **consoles.HANDLERS,
    **domain_memory.HANDLERS,
    **message_feed.HANDLERS,
    **patch_upload.HANDLERS,
    **raw_vdis.HANDLERS,
    **rrds.HANDLERS,
    **vm_archives.HANDLERS,
}
