"""EMQX's reports over real HTTP: many at once, of one device and of many, in whatever order they come."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest
import requests

from smart_dairy_iot.provisioning.emqx_events import sign
from support import new_code

SECRET = "between this broker and this server"
ONE_DEVICE = "SELECT connected_at, ip_address FROM iot_device_connection WHERE iot_device_id = %s"


@pytest.fixture(scope="module")
def report(product, odoo):
    """Send one report; returns the status of the answer. Times are seconds from now."""
    odoo.call("ir.config_parameter", "set_param", "iot.emqx_webhook_password", SECRET)
    now = int(time.time()) * 1000

    def send(username, client_id, seconds=0, event="client.connected", peername="10.0.0.1:1883"):
        fields = {
            "event": event,
            "clientid": client_id,
            "username": username,
            "timestamp": now + seconds * 1000,
            "peername": peername,
            "reason": "" if event == "client.connected" else "tcp_closed",
        }
        body = {**fields, "signature": sign(fields, SECRET)}
        return requests.post(f"{product.url}/iot/emqx/webhook", json=body, timeout=20).status_code

    yield send
    odoo.call("ir.config_parameter", "set_param", "iot.emqx_webhook_password", False)


def test_of_reports_that_come_at_once_and_in_any_order_the_latest_stays(report, farm, stored):
    device_id = new_code("WH-")
    record_id = farm.register(device_id)
    order = [7, 2, 9, 1, 8, 3, 6, 0, 5, 4] * 2
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda second: report(f"TE_{device_id}", f"sd_{device_id}", second, peername=f"10.0.0.{second}:1"),
                order,
            )
        )
    assert answers == [204] * len(order)
    (row,) = stored.rows(ONE_DEVICE, record_id)
    assert row["ip_address"] == "10.0.0.9"


def test_devices_that_come_back_together_are_all_noted(report, farm, stored):
    ids = [new_code("WH-") for _ in range(40)]
    records = [farm.register(device_id) for device_id in ids]
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda device_id: report(f"TE_{device_id}", f"sd_{device_id}"), ids)) == {204}
    count = "SELECT count(*) FROM iot_device_connection WHERE iot_device_id = ANY(%s) AND connected_at IS NOT NULL"
    assert stored.value(count, records) == len(ids)


def test_a_user_s_open_edit_of_a_device_holds_no_report_up(report, farm, product, stored):
    device_id = new_code("WH-")
    record_id = farm.register(device_id)
    # Closing takes the edit back.
    with closing(psycopg2.connect(**product.postgres.dsn(product.database))) as connection:
        connection.cursor().execute("UPDATE iot_device SET name = 'edited' WHERE id = %s", [record_id])
        assert report(f"TE_{device_id}", f"sd_{device_id}") == 204
    assert len(stored.rows(ONE_DEVICE, record_id)) == 1
