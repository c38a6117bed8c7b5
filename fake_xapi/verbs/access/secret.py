"""The class ``secret``: texts that other objects refer to by uuid instead of holding them."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb


def introduce(call: Call, uuid: str, value: str, other_config: Mapping[str, str]) -> Id:
    """Create a secret with a given uuid. DB_UNIQUENESS_CONSTRAINT_VIOLATION ["secret", "uuid", uuid] for one that is taken."""
    if call.world.by_uuid("secret", uuid):
        raise Failure("DB_UNIQUENESS_CONSTRAINT_VIOLATION", "secret", "uuid", uuid)
    with call.world.edit() as edit:
        return edit.create("secret", uuid=uuid, value=value, other_config=dict(other_config))


VERBS: Mapping[str, Verb] = {"secret.introduce": introduce}
