"""Milking visits as ICAR's ADE has them: what is written is valid, and reads back as what it was made of."""

import json
from datetime import datetime

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from icar_schemas import icar_validator
from smart_dairy_iot_milk.exchange.ade import (
    AdeError,
    Identifier,
    Visit,
    deleted_resource,
    parse_moment,
    read_visit,
    visit_resource,
)
from smart_dairy_iot_milk.exchange.ade_schema import VISIT

VISIT_OF_ALL = Visit(
    source="test.dairy",
    source_id="5b3c9f3e-8a67-5d0c-9a1c-000000000001",
    modified=datetime(2026, 3, 1, 5, 0, 7, 123456),
    created=datetime(2026, 3, 1, 4, 30, 2),
    animal=Identifier("iso.11784", "999123456789012"),
    location=Identifier("nl.ubn", "1234567"),
    start=datetime(2026, 3, 1, 4, 30),
    yield_liters=12.345,
    duration_seconds=301,
    is_automated=False,
    is_complete=True,
    parlour_unit="3",
    measure_device_id="MM-1",
    measured={
        "somatic_cell_count": 187_432,
        "fat_percentage": 4.21,
        "protein_percentage": 3.4,
        "lactose_percentage": 4.75,
        "conductivity_25": 5.123,
        "peak_flow_rate": 4.2,
        "avg_flow_rate": 2.459,
        "milk_temperature": 36.5,
        "blood_detected": True,
    },
    quarters={
        "LF": {"yield": 3.1, "conductivity_25": 5.0},
        "RF": {"yield": 3.0},
        "RR": {"conductivity_25": 6.25},
    },
    remarks=("MilkedSeparately",),
)
LEAST = Visit(
    source="test.dairy",
    source_id="1",
    modified=datetime(2026, 3, 1, 5),
    animal=Identifier("smart-dairy.animal", "hill/17"),
    start=datetime(2026, 3, 1, 4, 30),
    yield_liters=0.0,
)


def nulls(value):
    if isinstance(value, dict):
        return [null for inner in value.values() for null in nulls(inner)]
    if isinstance(value, list):
        return [null for inner in value for null in nulls(inner)]
    return [value] if value is None else []


@pytest.mark.parametrize("visit", [VISIT_OF_ALL, LEAST], ids=["of all", "the least"])
def test_a_visit_is_valid_by_icars_schema(visit):
    icar_validator("resources/icarMilkingVisitEventResource.json").validate(visit_resource(visit))


def test_icars_schema_is_really_asked():
    validator = icar_validator("resources/icarMilkingVisitEventResource.json")
    resource = visit_resource(VISIT_OF_ALL)
    for wrong in (
        {"animal": {"id": "17"}},
        {"milkingMilkWeight": {"unitCode": "LTR", "value": 1}},
        {"milkingStartingDateTime": "yesterday"},
        {"milkCharacteristics": [{"characteristic": "FAT", "value": 4.2}]},
        {"milkingDuration": None},
    ):
        assert not validator.is_valid({**resource, **wrong}), wrong


def test_a_page_of_visits_is_a_valid_collection():
    page = {
        "view": {"totalItems": 2, "totalPages": 1, "pageSize": 500, "currentPage": 1, "first": "https://dairy.test/a"},
        "member": [visit_resource(VISIT_OF_ALL), visit_resource(LEAST)],
    }
    validator = icar_validator("collections/icarMilkingVisitEventCollection.json")
    validator.validate(page)
    assert not validator.is_valid({"member": [{}]})


@pytest.mark.parametrize("visit", [VISIT_OF_ALL, LEAST], ids=["of all", "the least"])
def test_a_visit_has_all_that_icar_requires_and_no_null(visit):
    resource = visit_resource(visit)
    jsonschema.Draft202012Validator(VISIT).validate(resource)
    assert resource["resourceType"] == "icarMilkingVisitEventResource"
    assert set(resource["animal"]) == {"id", "scheme"}
    assert resource["milkingStartingDateTime"] == "2026-03-01T04:30:00Z"
    assert resource["milkingMilkWeight"]["unitCode"] == "KGM"
    assert {"source", "sourceId", "modified"} <= set(resource["meta"])
    assert nulls(resource) == []


def test_numbers_are_in_icars_units_and_values_are_texts():
    resource = visit_resource(VISIT_OF_ALL, density=1.03)
    assert resource["milkingMilkWeight"]["value"] == 12.7154
    assert resource["milkingDuration"] == {"unitCode": "SEC", "value": 301}
    values = {each["characteristic"]: each["value"] for each in resource["milkCharacteristics"]}
    assert values == {
        "SCC": "187.432",
        "FAT": "4.21",
        "PROTEIN": "3.4",
        "LAC": "4.75",
        "AVGCOND": "5.123",
        "AVGFLWR": "2.5328",
        "MAXFLWR": "4.326",
        "TEMPERATURE": "36.5",
        "BLOOD": "true",
    }
    assert [quarter["icarQuarterId"] for quarter in resource["quarterMilkings"]] == ["LF", "RF", "RR"]
    assert resource["quarterMilkings"][2] == {
        "icarQuarterId": "RR",
        "icarQuarterCharacteristics": [{"characteristic": "AVGCOND", "value": "6.25"}],
    }


def test_what_was_not_measured_is_left_out_and_never_0():
    visit = Visit(
        **{**vars(LEAST), "measured": {"fat_percentage": 0.0, "blood_detected": False, "somatic_cell_count": 0}}
    )
    assert "milkCharacteristics" not in visit_resource(visit)
    assert "milkingComplete" not in visit_resource(visit)


@pytest.mark.parametrize("visit", [VISIT_OF_ALL, LEAST], ids=["of all", "the least"])
def test_what_is_written_reads_back_as_it_was(visit):
    assert read_visit(json.loads(json.dumps(visit_resource(visit)))) == visit


@given(
    liters=st.integers(0, 60_000).map(lambda milliliters: milliliters / 1000),
    cells=st.integers(1, 9_999_999),
    flow=st.integers(1, 15_000).map(lambda milliliters: milliliters / 1000),
    density=st.floats(0.98, 1.05),
)
def test_no_millilitre_and_no_cell_is_lost_on_the_way(liters, cells, flow, density):
    measured = {"somatic_cell_count": cells, "peak_flow_rate": flow}
    visit = Visit(**{**vars(LEAST), "yield_liters": liters, "measured": measured})
    read = read_visit(visit_resource(visit, density), density)
    assert (read.yield_liters, dict(read.measured)) == (liters, measured)


def test_a_deleted_milking_says_so():
    deleted = Visit(**{**vars(LEAST), "is_deleted": True})
    assert visit_resource(deleted)["meta"]["isDeleted"] is True
    assert read_visit(visit_resource(deleted)).is_deleted


def test_a_visit_that_was_told_and_is_gone_is_the_same_but_deleted_and_valid_by_icars_schema():
    told = visit_resource(VISIT_OF_ALL)
    gone = deleted_resource(told, datetime(2026, 2, 3, 4, 5, 6, 7))
    icar_validator("resources/icarMilkingVisitEventResource.json").validate(gone)
    assert gone["meta"] == {**told["meta"], "isDeleted": True, "modified": "2026-02-03T04:05:06.000007Z"}
    assert {**gone, "meta": told["meta"]} == told


def foreign(**fields):
    return {**visit_resource(LEAST), **fields}


def test_nulls_and_unknown_fields_of_other_systems_are_read_over():
    visit = read_visit(
        foreign(
            milkingDuration=None,
            milkingComplete=None,
            quarterMilkings=None,
            milkCharacteristics=[{"characteristic": "UREA", "value": "250"}],
            milkingRemarks=None,
            vendorField={"x": 1},
        )
    )
    assert (visit.duration_seconds, visit.is_complete, dict(visit.measured), visit.remarks) == (None, None, {}, ())


def test_moments_with_an_offset_are_utc_afterwards_and_minutes_become_seconds():
    visit = read_visit(
        foreign(
            milkingStartingDateTime="2026-03-01T05:30:00.1234567+01:00",
            milkingDuration={"unitCode": "MIN", "value": 5.5},
        )
    )
    assert visit.start == datetime(2026, 3, 1, 4, 30, 0, 123456)
    assert visit.duration_seconds == 330


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"milkCharacteristics": [{"characteristic": "FAT", "value": "4,2"}]}, "milkCharacteristics.FAT"),
        ({"milkCharacteristics": [{"characteristic": "FAT", "value": "nan"}]}, "milkCharacteristics.FAT"),
        ({"milkCharacteristics": [{"characteristic": "FAT", "value": "420"}]}, "milkCharacteristics.FAT"),
        ({"milkCharacteristics": [{"characteristic": "SCC", "value": "-1"}]}, "milkCharacteristics.SCC"),
        (
            {"milkCharacteristics": [{"characteristic": "AVGCOND", "value": "5.1", "unit": "D10"}]},
            "milkCharacteristics.AVGCOND",
        ),
        ({"milkCharacteristics": [{"characteristic": "BLOOD", "value": "yes"}]}, "milkCharacteristics.BLOOD"),
        ({"milkingDuration": {"unitCode": "MIN", "value": 1500}}, "milkingDuration"),
        ({"quarterMilkings": [{"icarQuarterId": "LF"}, {"icarQuarterId": "LF"}]}, "quarterMilkings.LF"),
        ({"milkingStartingDateTime": "2026-02-30T05:30:00Z"}, "milkingStartingDateTime"),
        ({"milkingStartingDateTime": "2026-03-01T05:30:00"}, "milkingStartingDateTime"),
        ({"milkingStartingDateTime": "1970-01-01T00:00:00Z"}, "milkingStartingDateTime"),
        ({"milkingStartingDateTime": "0001-01-01T00:00:00+14:00"}, "milkingStartingDateTime"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_place(fields, place):
    with pytest.raises(AdeError) as raised:
        read_visit(foreign(**fields))
    assert raised.value.field == place
    assert place in str(raised.value)


def test_a_moment_without_an_offset_is_none():
    with pytest.raises(ValueError, match="no time with date and offset"):
        parse_moment("2026-03-01T05:30:00")
