"""The errors of storage managers: SR_BACKEND_FAILURE_<n> ["", text, document].

The texts are those in the drivers' own list; clients parse the documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fake_xapi.datamodel.failure import Failure

TEXTS: Final[Mapping[int, str]] = {
    1: "Invalid argument",
    16: "The SR device is currently in use",
    19: "No such device",
    20: "No such secret.",
    38: "The requested method is not supported/implemented",
    40: "The SR scan failed ",
    44: "There is insufficient space",
    46: "The VDI is not available",
    47: "The SR is not available",
    68: "ISCSI login failed - check access settings for the initiator on the storage, if CHAP is used verify CHAP credentials",
    73: "NFS mount error",
    78: "VDI Creation failed",
    79: "VDI Invalid size",
    90: "The request is missing the device parameter",
    91: "The device is not a valid path",
    94: "The request is missing the location parameter",
    95: "The request is missing the target parameter",
    96: "The request is missing or has an incorrect target IQN parameter",
    101: "The request is missing the serverpath parameter",
    102: "The request is missing the server parameter",
    103: "The serverpath argument is not valid",
    105: "Root system device, cannot be used for VM storage",
    107: "The SCSIid parameter is missing or incorrect",
    108: "Unable to detect an NFS service on this target.",
    109: "The snapshot chain is too long",
    111: "SMB mount error",
    115: "Not all required parameters specified.",
    120: "Netapp Target parameter missing in Dconf string",
    121: "Netapp Username parameter missing in Dconf string",
    122: "Netapp Password parameter missing in Dconf string",
    123: "Netapp Aggregate parameter missing in Dconf string",
    124: "Failed to connect to Netapp target",
    125: "Authentication credentials incorrect",
    140: "Incorrect DNS name, unable to resolve.",
    141: "Unable to connect to ISCSI service on target",
    142: "Incorrect value for iSCSI port, must be a number between 1 and 65535",
    160: "Equallogic Target parameter missing in Dconf string",
    161: "Equallogic Username parameter missing in Dconf string",
    162: "Equallogic Password parameter missing in Dconf string",
    163: "Equallogic StoragePool parameter missing in Dconf string",
    169: "Failed to connect to Equallogic Array, Permission denied;username/password invalid",
    172: "Equallogic StoragePool parameter specified in Dconf string is Invalid",
    173: "Equallogic Target parameter specified in Dconf string is Invalid, please specify the correct Group IPaddress",
    220: "'Location' parameter must be specified in Device Configuration",
    222: "Could not mount the directory specified in Device Configuration",
    225: "Incorrect Location string format. String must be in the format SERVER:PATH for NFS targets, or \\\\SERVER\\PATH for CIFS targets",
    226: "Invalid local path",
    460: "Failed to calculate changed blocks for given VDIs.",
}
"""By the number of the code."""


def sm_failure(number: int, detail: str = "", document: str = "") -> Failure:
    """The failure with that number; ``detail`` is what the driver appends to its text."""
    text = f"{TEXTS[number]} [opterr={detail}]" if detail else TEXTS[number]
    return Failure(f"SR_BACKEND_FAILURE_{number}", "", text, document)
