"""What has gone wrong, as each service says it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from compute_core.model.errors import ComputeError

log = logging.getLogger(__name__)

NAMES: Mapping[int, str] = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}
"""Nova's names of faults by status; all others are ``computeFault``."""

UNEXPECTED = "Unexpected API Error. The service's log tells more under this request's id."


def body_of(service: str, status: int, message: str, name: str | None = None) -> dict[str, Any]:
    """The body of a refusal. 401 comes from the same gatekeeper everywhere, so it looks the same everywhere. Cinder speaks as Nova does.

    Neutron has its own way.
    """
    if service == "network" and status != 401:
        return {"NeutronError": {"type": name or HTTPStatus(status).phrase, "message": message, "detail": ""}}
    if status == 401 or not service.startswith(("compute", "volume")):
        return {"error": {"code": status, "message": message, "title": HTTPStatus(status).phrase}}
    return {name or NAMES.get(status, "computeFault"): {"code": status, "message": message}}


def of_error(service: str, problem: ComputeError) -> tuple[int, dict[str, Any]]:
    """Status and body of an error of the core."""
    return problem.status, body_of(service, problem.status, problem.message, problem.name)
