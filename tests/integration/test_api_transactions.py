"""What only a running server, with transactions of its own, shows of the REST API: requests with one idempotency key at
the same time, of which one is done; and what is left of a request that the server failed at.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest
import requests

from api_client import new_api_key
from support import eventually, new_code

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
REQUESTS = 3


@pytest.fixture
def gate(product):
    """While it is held, whoever registers a device waits at the table; those behind him, at the key."""
    with closing(psycopg2.connect(**product.postgres.dsn(product.database))) as connection:
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE iot_device IN SHARE MODE")
        yield connection


def register(product, farm, key, device_id, idempotency_key):
    body = {"name": "Tank", "device_id": device_id, "device_type": "temperature", "farm_id": farm.id}
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": idempotency_key}
    return requests.post(f"{product.url}/api/v1/iot/devices/register", json=body, headers=headers, timeout=60)


def at_the_same_time(product, stored, gate, requested):
    """The answers to requests that were all under way when the first of them could go on."""
    with ThreadPoolExecutor(len(requested)) as pool:
        answers = [pool.submit(register, product, *arguments) for arguments in requested]
        eventually(lambda: stored.value(WAITING) >= len(requested), "all of them to wait for one another")
        gate.rollback()
        return [answer.result(timeout=60) for answer in answers]


def test_of_requests_with_one_key_one_is_done_and_all_get_its_answer(product, stored, farm, gate):
    key, device_id = new_api_key(product), new_code("T")
    answers = at_the_same_time(product, stored, gate, [(farm, key, device_id, device_id)] * REQUESTS)
    assert [answer.status_code for answer in answers] == [201] * REQUESTS, [answer.text for answer in answers]
    assert len({answer.content for answer in answers}) == 1
    replayed = [answer.headers.get("Idempotency-Replayed") for answer in answers]
    assert sorted(replayed, key=str) == [None, "true", "true"]
    trail = "SELECT is_replay FROM iot_api_request WHERE idempotency_key = %s ORDER BY is_replay"
    assert [row["is_replay"] for row in stored.rows(trail, device_id)] == [False, True, True]
    assert stored.value("SELECT count(*) FROM iot_device WHERE device_id = %s", device_id) == 1


def test_of_two_requests_with_one_key_that_ask_for_different_things_the_second_is_a_conflict(
    product, stored, farm, gate
):
    key, first, second = new_api_key(product), new_code("T"), new_code("T")
    answers = at_the_same_time(product, stored, gate, [(farm, key, first, first), (farm, key, second, first)])
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    (refused,) = (answer.json()["error"]["code"] for answer in answers if answer.status_code == 409)
    assert refused == "idempotency_conflict"
    assert stored.value("SELECT count(*) FROM iot_device WHERE device_id IN (%s, %s)", first, second) == 1


@pytest.fixture
def broken(product):
    """A server that fails at every request with an idempotency key."""
    with closing(psycopg2.connect(**product.postgres.dsn(product.database))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE iot_api_idempotency RENAME TO iot_api_idempotency_away")
            yield
            cursor.execute("ALTER TABLE iot_api_idempotency_away RENAME TO iot_api_idempotency")


def test_a_request_that_the_server_failed_at_is_no_traceback_and_stays_in_the_audit_trail(
    product, stored, farm, broken
):
    device_id = new_code("T")
    answer = register(product, farm, new_api_key(product), device_id, device_id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "iot_api_idempotency" not in answer.text
    trail = "SELECT caller, operation, status, error_code FROM iot_api_request WHERE idempotency_key = %s"
    assert stored.rows(trail, device_id) == [
        {"caller": "admin", "operation": "register_device", "status": 500, "error_code": "internal_error"}
    ]
