"""CPU features masked from the next boot on, so that different hosts look alike: a mechanism of the releases of 2012."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure
from fake_xapi.lifecycle.editions import require
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb

_DIGITS = 32


def set_features(call: Call, host: Id, features: str) -> None:
    """Expose only some features from the next boot on.

    LICENCE_RESTRICTION ["CPU_masking"], INVALID_FEATURE_STRING [why], CPU_FEATURE_MASKING_NOT_SUPPORTED [why].
    """
    require(call.world, "CPU_masking")
    info = call.world[host]["cpu_info"]
    wanted, physical = _bits(features), _bits(info.get("physical_features", ""))
    if info.get("maskable", "no") == "no":
        raise Failure("CPU_FEATURE_MASKING_NOT_SUPPORTED", "The CPUs of this host cannot hide features")
    if wanted & ~physical:
        raise Failure("CPU_FEATURE_MASKING_NOT_SUPPORTED", "The CPUs of this host do not have all these features")
    _write(call, host, features)


def _bits(text: str) -> int:
    digits = text.replace("-", "").replace(" ", "")
    if len(digits) != _DIGITS or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        raise Failure("INVALID_FEATURE_STRING", text)
    return int(digits, 16)


def reset_features(call: Call, host: Id) -> None:
    """Expose all features from the next boot on. LICENCE_RESTRICTION ["CPU_masking"]."""
    require(call.world, "CPU_masking")
    _write(call, host, call.world[host]["cpu_info"].get("physical_features", ""))


def _write(call: Call, host: Id, features: str) -> None:
    with call.world.edit() as edit:
        edit.put(host, "cpu_info", "features_after_reboot", features)


VERBS: Mapping[str, Verb] = {"host.set_cpu_features": set_features, "host.reset_cpu_features": reset_features}
