"""The simulated farm against the product: registered and provisioned as by a user, heard from as from real devices."""

import re
import subprocess
import sys

import pytest

from simulation.layout import DEVICES, FARM_CODE
from stack.paths import ROOT
from stack.shell import free_port, port_taken
from support import PATIENCE_SECONDS, eventually

PUBLISHING = sorted(device.device_id for device in DEVICES.values() if not device.is_modbus)
DEVICES_HEARD = """
    SELECT device.device_id FROM iot_device device JOIN farm_location farm ON farm.id = device.farm_id
     WHERE farm.code = %s AND EXISTS (
           SELECT FROM {table} reading WHERE reading.iot_device_id = device.id)
"""


class SimulatorRun:
    """scripts/simulate.py as a process, with what it has said."""

    def __init__(self, product, folder, ports, *options):
        self.log = folder / "simulator.log"
        first, second = ports
        assert second == first + 1
        command = [
            *(sys.executable, ROOT / "scripts" / "simulate.py", "--url", product.url, "--db", product.database),
            *("--broker-host", product.broker.host, "--broker-port", product.broker.port),
            *("--ca", product.broker.ca_file, "--credentials", folder / "devices.json", "--modbus-port", first),
            *options,
        ]
        with self.log.open("w") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=subprocess.STDOUT)

    def said(self, pattern):
        """The first match of a pattern in what it said so far."""
        return re.search(pattern, self.log.read_text())

    def stop(self):
        """End it as Ctrl-C does; returns the last line that it said."""
        self.process.terminate()
        assert self.process.wait(PATIENCE_SECONDS) == 0, self.log.read_text()
        return self.log.read_text().splitlines()[-1]

    def kill(self):
        """End it for certain."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


@pytest.fixture
def simulate(product, tmp_path):
    """Starts the simulator with options; what is still running at the end is killed."""
    started = []
    first = next(port for port in iter(free_port, None) if not port_taken(port + 1))

    def start(*options):
        started.append(SimulatorRun(product, tmp_path, (first, first + 1), *options))
        return started[-1]

    yield start
    for run in started:
        run.kill()


def heard_from(stored, table):
    return [row["device_id"] for row in stored.rows(DEVICES_HEARD.format(table=table), FARM_CODE)]


def test_the_demo_farm_is_registered_comes_alive_and_is_found_again_by_a_second_start(
    product, odoo, stored, simulate, tmp_path
):
    # Long enough for a cow to come by every feeder even at night, when they come twice an hour.
    first = simulate("--history-days", "0.4", "--speed", "3000", "--milk", "now")
    eventually(lambda: first.said("the farm is live"), first.log.read_text, seconds=180)

    (farm,) = odoo.call("farm.location", "search_read", [("code", "=", FARM_CODE)], ["animal_ids"])
    assert len(farm["animal_ids"]) == 60
    domain = [("farm_id", "=", farm["id"])]
    devices = odoo.call("iot.device", "search_read", domain, ["device_id", "state"])
    assert {device["device_id"]: device["state"] for device in devices} == dict.fromkeys(DEVICES, "active")
    for prefix, table in (
        ("TS", "iot_temperature_reading"),
        ("AC", "iot_activity_reading"),
        ("FD", "iot_feeding_event"),
    ):
        expected = [device_id for device_id in PUBLISHING if device_id.startswith(prefix)]
        eventually(lambda table=table, expected=expected: sorted(heard_from(stored, table)) == expected, table)

    # A milking began when it went live: on all four meters, two of which are polled.
    def milked():
        rows = odoo.call(
            "milk.session", "search_read", [*domain, ("state", "=", "in_progress")], ["source", "animal_id"]
        )
        return {row["source"] for row in rows if row["animal_id"]} == {"mqtt", "modbus"}

    eventually(milked, "cows are being milked, on MQTT and Modbus meters")
    assert first.stop().endswith(" 0 denied by the broker, 0 dropped")
    assert stored.value("SELECT count(*) FROM iot_dead_letter WHERE farm_id = %s", farm["id"]) == 0
    credentials = (tmp_path / "devices.json").read_text()
    newest = stored.value("SELECT max(timestamp) FROM iot_temperature_reading")

    second = simulate("--history-days", "0.1", "--speed", "1000")
    eventually(lambda: second.said("devices are connected"), second.log.read_text)
    eventually(lambda: stored.value("SELECT max(timestamp) FROM iot_temperature_reading") > newest, "it goes on")
    second.stop()
    assert (tmp_path / "devices.json").read_text() == credentials, "nothing was provisioned anew"
    assert odoo.call("farm.animal", "search_count", domain) == 60
    assert odoo.call("iot.device", "search_count", domain) == len(DEVICES)


def test_a_device_whose_password_is_lost_gets_a_new_one(product, simulate, tmp_path):
    first = simulate("--history-days", "0")
    eventually(lambda: first.said("devices are connected"), first.log.read_text)
    first.stop()
    before = (tmp_path / "devices.json").read_text()
    (tmp_path / "devices.json").write_text(
        re.sub(r'("TS001".*?"password": ")[^"]*', r"\1forgotten", before, flags=re.DOTALL)
    )
    second = simulate("--history-days", "0")
    eventually(lambda: second.said("devices are connected"), second.log.read_text)
    assert "forgotten" not in (tmp_path / "devices.json").read_text()
