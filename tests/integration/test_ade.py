"""Milkings for other systems, from outside: what the server answers is what ICAR's schemas say."""

from contextlib import closing
from datetime import datetime, timedelta

import psycopg2
import pytest
import requests

from api_client import new_api_key
from icar_schemas import icar_validator

MILKINGS = 7
START = datetime(2026, 2, 1, 4, 30)
MEASURED = {
    "fat_percentage": 4.1,
    "protein_percentage": 3.4,
    "lactose_percentage": 4.7,
    "somatic_cell_count": 187_432,
    "blood_detected": True,
    "conductivity": 5.5,
    "peak_flow_rate": 4.2,
    "milk_temperature": 36.5,
    "yield_lf": 3.1,
    "conductivity_lf": 5.4,
}


def end_after_minutes(product, sessions, minutes):
    """Have milkings end so many minutes after their beginning, and every other one by its meter: no user may say so."""
    with closing(psycopg2.connect(**product.postgres.dsn(product.database))) as connection, connection:
        connection.cursor().execute(
            "UPDATE milk_session SET end_time = start_time + %s, duration_seconds = %s, ended_by_meter = id %% 2 = 0,"
            " write_date = create_date WHERE id = ANY(%s)",
            [timedelta(minutes=minutes), 60 * minutes, sessions],
        )


@pytest.fixture
def address(product, farm):
    """The address of a farm's milkings: with all that can be measured, with nothing but the yield, and cancelled."""
    (cow,) = farm.odoo.call("farm.animal", "create", [{"name": "17", "farm_id": farm.id}])
    meter = {"name": "Meter", "device_id": f"{farm.code}-MM", "farm_id": farm.id, "manufacturer": "other"}
    (meter_id,) = farm.odoo.call("iot.milk_meter", "create", [{**meter, "communication_type": "api"}])
    sessions = [
        {
            "meter_id": meter_id,
            "animal_id": cow,
            "start_time": str(START + timedelta(hours=12 * number)),
            "current_yield": 12.345 + number,
            **(MEASURED if number % 3 == 0 else {}),
        }
        for number in range(MILKINGS)
    ]
    made = farm.odoo.call("milk.session", "create", sessions)
    farm.odoo.call("milk.session", "action_cancel", made[1:2])
    farm.odoo.call("milk.session", "action_complete", made[:1] + made[2:])
    end_after_minutes(product, made, 6)
    return f"/api/v1/ade/locations/smart-dairy.farm/{farm.code}/milking-visits"


def test_every_page_is_valid_by_icars_schemas(product, address):
    validator = icar_validator("collections/icarMilkingVisitEventCollection.json")
    members = []
    for page in pages(product, address):
        validator.validate(page)
        members += page["member"]
    assert len({visit["meta"]["sourceId"] for visit in members}) == len(members) == MILKINGS
    assert sum(visit["meta"]["isDeleted"] for visit in members) == 1


def pages(product, address):
    """All pages of a list, three milkings each, by the addresses that they tell."""
    headers = {"Authorization": f"Bearer {new_api_key(product)}"}
    following = f"{product.url}{address}?modified-from=2020-01-01T00:00:00Z&limit=3"
    found = []
    while following:
        response = requests.get(following, headers=headers, timeout=30)
        assert response.status_code == 200, response.text
        found.append(response.json())
        following = found[-1]["view"].get("next")
    assert len(found) == 3
    return found


def test_a_farms_own_milkings_sent_back_to_it_are_not_there_twice(product, address, farm):
    (page, *_others) = pages(product, address)
    response = requests.post(
        f"{product.url}/api/v1/ade/batches/locations/smart-dairy.farm/{farm.code}/milking-visits",
        headers={"Authorization": f"Bearer {new_api_key(product)}"},
        json=page["member"],
        timeout=30,
    )
    assert response.status_code == 207, response.text
    # The second one was cancelled: there is nothing to say of it.
    assert [bool(result["messages"]) for result in response.json()] == [True, False, True]
    assert farm.odoo.call("milk.session", "search_count", [("farm_id", "=", farm.id)]) == MILKINGS
