"""The datamodel has all of XenAPI: its counts, newest and historical."""

from __future__ import annotations

from collections import Counter

import pytest

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.personality import personality


def test_the_newest_model_has_every_class_field_message_and_error() -> None:
    classes = datamodel().classes.values()
    counts = {
        "classes": len(classes),
        "fields": sum(len(cls.fields) for cls in classes),
        "messages": sum(len(cls.messages) for cls in classes),
        "errors": len(datamodel().errors),
        "relations": len(datamodel().relations),
    }
    assert counts == {"classes": 73, "fields": 951, "messages": 2258, "errors": 605, "relations": 64}


def test_what_few_messages_declare_that_they_may_be_refused_with_is_in_the_catalogue() -> None:
    model = datamodel()
    messages = {message.wire_name for cls in model.classes.values() for message in cls.messages}

    assert len(model.declared_errors) == 87
    assert model.declared_errors.keys() <= messages
    assert {code for codes in model.declared_errors.values() for code in codes} <= model.errors.keys()


def test_seven_messages_of_ten_are_derived_from_the_fields() -> None:
    kinds = Counter(message.kind for cls in datamodel().classes.values() for message in cls.messages)
    assert kinds == {
        "custom": 678,
        "field_getter": 884,
        "field_setter": 142,
        "field_add": 58,
        "field_remove": 58,
        "get_record": 65,
        "get_by_uuid": 65,
        "get_by_name_label": 24,
        "get_all": 62,
        "get_all_where": 62,
        "get_all_records": 62,
        "get_all_records_where": 62,
        "create": 18,
        "destroy": 18,
    }
    assert kinds.total() - kinds["custom"] == 1580


@pytest.mark.parametrize(
    ("name", "fields", "messages", "errors"), [("boston", 555, 1390, 332), ("tampa", 566, 1428, 349), ("clearwater", 570, 1439, 355)]
)
def test_a_historical_release_has_45_classes(name: str, fields: int, messages: int, errors: int) -> None:
    old = personality(name)
    classes = old.classes.values()
    found = (len(classes), sum(len(cls.fields) for cls in classes), sum(len(cls.messages) for cls in classes), len(old.errors))
    assert found == (45, fields, messages, errors)


def test_latest_lacks_nothing_of_the_newest_model() -> None:
    assert personality("latest").classes == datamodel().classes
