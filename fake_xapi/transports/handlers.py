"""Every HTTP handler by method and path."""

from __future__ import annotations

from fake_xapi.transports import (
    audit_log,
    blobs,
    bundles,
    consoles,
    domain_memory,
    host_files,
    message_feed,
    patch_upload,
    raw_vdis,
    rrds,
    services,
    update_files,
    vm_archives,
)
from fake_xapi.transports.transfers import Handlers

HANDLERS: Handlers = {
    **audit_log.HANDLERS,
    **blobs.HANDLERS,
    **bundles.HANDLERS,
    **consoles.HANDLERS,
    **domain_memory.HANDLERS,
    **host_files.HANDLERS,
    **message_feed.HANDLERS,
    **patch_upload.HANDLERS,
    **raw_vdis.HANDLERS,
    **rrds.HANDLERS,
    **services.HANDLERS,
    **update_files.HANDLERS,
    **vm_archives.HANDLERS,
}
