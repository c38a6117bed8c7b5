"""Which fields of a record that came as XML are integers."""

from __future__ import annotations

from compute_core.xenapi.integers import INTEGER_FIELDS, normalised
from fake_xapi.datamodel.personality import personality


def test_integers_of_records_become_integers() -> None:
    record = {"domid": "7", "name_label": "7", "other_config": {"domid": "7"}}
    wanted = {"domid": 7, "name_label": "7", "other_config": {"domid": "7"}}

    assert normalised("VM.get_record", record) == wanted
    assert normalised("VM.get_all_records_where", {"OpaqueRef:1": record}) == {"OpaqueRef:1": wanted}
    assert normalised("event.from", {"token": "1", "events": [{"operation": "mod", "snapshot": record}, {"operation": "del"}]}) == {
        "token": "1",
        "events": [{"operation": "mod", "snapshot": wanted}, {"operation": "del"}],
    }


def test_a_getter_of_an_integer_answers_with_one() -> None:
    assert normalised("VDI.get_virtual_size", "1024") == 1024
    assert normalised("VM.get_power_state", "Running") == "Running"


def test_a_record_that_came_as_json_stays_as_it_is() -> None:
    record = {"domid": 7, "name_label": "x"}

    assert normalised("VM.get_record", record) == record


def test_the_table_names_integers_of_the_datamodel_and_of_nothing_else() -> None:
    kinds = {
        field.name: field.type.kind
        for cls in personality("latest").classes.values()
        for field in cls.fields
        if field.name in INTEGER_FIELDS
    }

    assert kinds == dict.fromkeys(INTEGER_FIELDS, "int")
