"""Commands and configurations, there and back again: through the product, a real broker and a simulated device.

The device answers as devices do: it accepts and is done, it fails, it stays silent, it answers twice and out of order.
"""

import base64
import json
import threading
import time
from contextlib import contextmanager

import pytest

from simulation import layout
from simulation.devices import Broker, MqttDevice
from support import connected, eventually, new_code, utc_now

ROW = "SELECT * FROM iot_device_command WHERE id = %s"
CONFIG = '{"interval_seconds": 30}'


class CommandedDevice:
    """A device that receives its commands and answers them as `answers(command)` says: a list of acknowledgements."""

    def __init__(self, connection, device, answers):
        self._connection = connection
        self._device = device
        self._answers = answers
        self._seen = 0
        self.commands = []
        self.configs = []

    def work(self):
        """Answer what has come in since; each delivery, also a repeated one."""
        fresh = self._connection.received[self._seen :]
        self._seen += len(fresh)
        for topic, payload in fresh:
            if topic == self._device.topic("commands"):
                self.commands.append(json.loads(payload))
                for answer in self._answers(self.commands[-1]):
                    self.answer(self.commands[-1]["command_id"], **answer)
            elif payload:
                self.configs.append(json.loads(payload))

    def answer(self, command_id, **answer):
        """Acknowledge a command."""
        self._connection.publish(self._device.topic("acks"), self._device.payload(command_id=command_id, **answer))

    def say_hello(self, **fields):
        """Report its status, as a device does when it has connected."""
        self._connection.publish(self._device.topic("status"), self._device.payload(status="online", **fields))


@pytest.fixture
def device(farm):
    """A temperature sensor, provisioned."""
    return farm.provision(new_code("CM"))


@contextmanager
def commanded(broker, device, answers=lambda command: []):
    """The device at work, in a thread of its own."""
    with connected(broker, device.credentials) as connection:
        assert connection.subscribe(device.topic("commands"))
        assert connection.subscribe(device.topic("config"))
        worker = CommandedDevice(connection, device, answers)
        stop = threading.Event()

        def run():
            while not stop.is_set():
                worker.work()
                time.sleep(0.05)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield worker
        finally:
            stop.set()
            thread.join(timeout=10)


def send(odoo, device, command="restart", **values):
    """Send a command as a user does, by the wizard; returns the record's id."""
    context = {"active_model": "iot.device", "active_ids": [device.record_id]}
    values = {"known_command": "other", "command": command, **values}
    (wizard,) = odoo.call("iot.device.command.wizard", "create", [values], context=context)
    odoo.call("iot.device.command.wizard", "action_send", [wizard], context=context)
    (record,) = odoo.call("iot.device.command", "search", [["iot_device_id", "=", device.record_id]], limit=1)
    return record


def ended(stored, command, state):
    """The command's row once it is in this state."""

    def probe():
        (row,) = stored.rows(ROW, command)
        return row if row["state"] == state else None

    return eventually(probe, lambda: f"{state}: {stored.rows(ROW, command)}")


def test_a_device_that_accepts_a_command_and_does_it(odoo, shared_broker, stored, device):
    def answers(command):
        assert command["parameters"] == {"seconds": 3}
        assert command["expires_at"] > command["issued_at"]
        yield {"status": "accepted"}
        yield {"status": "progress", "progress": 50}
        yield {"status": "done", "result": {"restarts": 12}, "message": "Restarted"}

    with commanded(shared_broker, device, answers) as worker:
        row = ended(stored, send(odoo, device, parameters_json='{"seconds": 3}'), "done")
    assert [command["command_id"] for command in worker.commands] == [row["command_id"]]
    assert (row["attempts"], row["progress"], row["result"], row["message"]) == (1, 100, {"restarts": 12}, "Restarted")


def test_a_device_that_fails_says_why(odoo, shared_broker, stored, device):
    with commanded(shared_broker, device, lambda command: [{"status": "failed", "message": "Valve stuck"}]):
        row = ended(stored, send(odoo, device), "failed")
    assert row["error"] == "Valve stuck"


def test_a_device_that_stays_silent_gets_the_same_command_again_until_it_is_given_up(
    odoo, shared_broker, stored, device
):
    with commanded(shared_broker, device) as worker:
        worker.say_hello()
        eventually(lambda: device.read("is_online")["is_online"], "the device is online")
        row = ended(stored, send(odoo, device, timeout_seconds=1, max_attempts=3), "failed")
        eventually(lambda: len(worker.commands) >= 3, "the last one has arrived, too")
        assert [command["command_id"] for command in worker.commands] == [row["command_id"]] * 3
        assert "did not answer; sent 3 times" in row["error"]
        # However late: what the device says it has done, it has done.
        worker.answer(row["command_id"], status="done")
        ended(stored, row["id"], "done")


def test_a_device_that_answers_twice_and_out_of_order_has_done_it_once(odoo, shared_broker, stored, device):
    def answers(command):
        yield {"status": "done", "message": "first"}
        yield {"status": "accepted", "message": "late"}
        yield {"status": "done", "message": "second"}
        yield {"status": "failed", "message": "third"}

    with commanded(shared_broker, device, answers):
        command = send(odoo, device)
        first = ended(stored, command, "done")
        processed = "SELECT count(*) FROM iot_inbox WHERE iot_device_id = %s AND state = 'done'"
        eventually(lambda: stored.value(processed, device.record_id) == 4, "all four answers are processed")
    (row,) = stored.rows(ROW, command)
    assert (row["state"], row["message"], row["finished_at"]) == ("done", "first", first["finished_at"])
    assert stored.rows("SELECT * FROM iot_inbox WHERE error IS NOT NULL AND iot_device_id = %s", device.record_id) == []


def test_a_device_that_was_away_gets_the_command_when_it_is_back(odoo, shared_broker, stored, device):
    command = send(odoo, device, timeout_seconds=5)
    ended(stored, command, "queued")
    with commanded(shared_broker, device, lambda command: [{"status": "done"}]) as worker:
        worker.say_hello()
        row = ended(stored, command, "done")
        # The first was sent while it was away. Of the others a slow answer may have brought it more than one.
        assert row["attempts"] >= 2
        eventually(lambda: len(worker.commands) >= row["attempts"] - 1, "all that were sent since have arrived")
        assert [command["command_id"] for command in worker.commands] == [row["command_id"]] * (row["attempts"] - 1)


def test_what_a_device_has_not_begun_in_time_expires_and_a_later_answer_is_noted(odoo, shared_broker, stored, device):
    command = send(odoo, device, expires_after_hours=5 / 3600, timeout_seconds=2)
    row = ended(stored, command, "expired")
    assert "had not begun it in time" in row["error"]
    assert row["finished_at"] >= row["expires_at"]
    with commanded(shared_broker, device) as worker:
        worker.answer(row["command_id"], status="accepted")
        worker.answer(row["command_id"], status="done", message="Restarted all the same")
        assert ended(stored, command, "done")["message"] == "Restarted all the same"


def test_a_device_that_accepts_and_then_says_nothing_is_given_up(odoo, shared_broker, stored, device):
    with commanded(shared_broker, device, lambda command: [{"status": "accepted"}]) as worker:
        # Long enough for its answer to be heard on a busy machine, too: else it counts as one that said nothing at all.
        row = ended(stored, send(odoo, device, timeout_seconds=8, max_attempts=2), "failed")
        eventually(lambda: len(worker.commands) >= 2, "the last one has arrived, too")
    assert [command["command_id"] for command in worker.commands] == [row["command_id"]] * 2
    assert "accepted it, and was then silent; sent 2 times" in row["error"]


def test_a_device_cannot_answer_for_another_one(odoo, farm, shared_broker, stored, device):
    other = farm.provision(new_code("CM"))
    with commanded(shared_broker, device) as worker, connected(shared_broker, other.credentials) as intruder:
        command = send(odoo, device)
        eventually(lambda: worker.commands, "the command has arrived")
        answer = other.payload(command_id=worker.commands[0]["command_id"], status="done")
        intruder.publish(device.topic("acks"), answer)
        intruder.publish(other.topic("acks"), answer)
        processed = "SELECT count(*) FROM iot_inbox WHERE iot_device_id = %s AND state = 'done'"
        eventually(lambda: stored.value(processed, other.record_id), "its answer is processed")
    (row,) = stored.rows(ROW, command)
    assert row["state"] == "sent"


def test_a_device_reports_by_which_version_of_its_configuration_it_works(odoo, shared_broker, device):
    with commanded(shared_broker, device) as worker:
        odoo.call("iot.device", "write", [device.record_id], {"config_json": CONFIG})
        eventually(lambda: worker.configs, "the configuration has arrived")
        assert worker.configs == [{"interval_seconds": 30, "config_version": 1}]
        assert device.read("config_status")["config_status"] == "unreported"
        worker.say_hello(config_version=1)
        eventually(lambda: device.read("config_status")["config_status"] == "up_to_date", "it works by it")
        odoo.call("iot.device", "write", [device.record_id], {"config_json": '{"interval_seconds": 60}'})
        assert device.read("config_status")["config_status"] == "drift"
    with commanded(shared_broker, device) as worker:
        eventually(lambda: worker.configs, "what is retained comes to a device that was away")
        assert worker.configs == [{"interval_seconds": 60, "config_version": 2}]


def test_a_device_of_the_simulated_farm_answers_its_commands_and_takes_its_configuration(
    product, odoo, farm, shared_broker, stored, device
):
    odoo.call("iot.device", "write", [device.record_id], {"config_json": CONFIG})
    broker = Broker(shared_broker.host, shared_broker.port, str(shared_broker.ca_file))
    simulated = MqttDevice(
        layout.Device(device.device_id, "Sensor", "temperature", ""), farm.code, device.credentials, broker, utc_now
    )
    simulated.connect()
    try:
        eventually(lambda: device.read("config_status")["config_status"] == "up_to_date", "it works by it")
        ended(stored, send(odoo, device, "restart"), "done")
        assert ended(stored, send(odoo, device, "fly"), "failed")["error"] == "this device does not know fly"
        install_firmware(odoo, product.url, farm, device, "3.0.0")
        lines = "SELECT state, error FROM iot_firmware_rollout_line WHERE iot_device_id = %s"
        installed = [{"state": "installed", "error": None}]
        eventually(
            lambda: stored.rows(lines, device.record_id) == installed,
            lambda: str(stored.rows(lines, device.record_id)),
        )
        assert device.read("reported_firmware_version")["reported_firmware_version"] == "3.0.0"
    finally:
        simulated.close()
    assert simulated.denied == 0


def install_firmware(odoo, url, farm, device, version):
    """Roll firmware out to the device, from this very machine, and so over plain HTTP."""
    odoo.call("ir.config_parameter", "set_param", "web.base.url", url)
    (device_type,) = odoo.call("iot.device.type", "search", [("device_type", "=", device.device_type)])
    firmware = {
        "name": f"Firmware {version}",
        "version": version,
        "file": base64.b64encode(bytes(range(256)) * 4096).decode(),
        "device_type_ids": [(6, 0, [device_type])],
    }
    (firmware_id,) = odoo.call("iot.firmware", "create", [firmware])
    odoo.call("iot.firmware", "action_release", [firmware_id])
    group = {"name": f"Trial {version}", "farm_id": farm.id, "device_ids": [(6, 0, [device.record_id])]}
    (group_id,) = odoo.call("iot.device.group", "create", [group])
    plan = {"firmware_id": firmware_id, "farm_id": farm.id, "group_ids": [(6, 0, [group_id])]}
    (rollout,) = odoo.call("iot.firmware.rollout", "create", [plan])
    odoo.call("iot.firmware.rollout", "action_start", [rollout])
