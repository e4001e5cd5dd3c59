"""A roll-out over fifty devices stops by itself, goes on, and outlives a restart of everything in the middle."""

import base64
import hashlib
import json
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from firmware_device import BROKEN, FIRST_VERSION, GO_ON, PLAN
from simulation.devices import Credentials
from stack.service import Service
from support import Database, Device, Farm, eventually, log_in, new_code

DEVICES = 50
WAVES = (10, 20)
CONTENT = bytes(range(256)) * 4096
"""1 MiB, that no two parts of can be exchanged unnoticed by the checksum."""

SECOND_WAVE = range(WAVES[0], sum(WAVES))

FAILING = (1, 4, 8)
"""Three of the first ten."""


@pytest.fixture
def odoo(instance):
    """The administrator's session with an Odoo that devices may download from over plain HTTP: on this very machine."""
    client = log_in(instance.start())
    client.call("ir.config_parameter", "set_param", "web.base.url", instance.url)
    return client


@pytest.fixture
def farm(odoo):
    return Farm(odoo, new_code())


@pytest.fixture
def devices(odoo, farm):
    """Fifty provisioned devices, in the order of their registration."""
    names = [f"FW-{number:02}" for number in range(DEVICES)]
    values = [{"name": name, "device_id": name, "device_type": "temperature", "farm_id": farm.id} for name in names]
    ids = odoo.call("iot.device", "create", values)
    rows = odoo.call("iot.device", "action_provision", ids)["params"]["credentials"]
    issued = {row["id"]: Credentials(row["username"], row["client_id"], row["password"]) for row in rows}
    return [
        Device(farm, record_id, name, "temperature", issued[record_id])
        for record_id, name in zip(ids, names, strict=True)
    ]


@pytest.fixture
def rollout(odoo, farm, devices):
    """The id of a roll-out of released firmware to all devices, not started: ten, then twenty, then the rest."""
    (device_type,) = odoo.call("iot.device.type", "search", [("device_type", "=", "temperature")])
    firmware = {
        "name": "Sensor firmware",
        "version": "2.0",
        "file": base64.b64encode(CONTENT).decode(),
        "device_type_ids": [(6, 0, [device_type])],
    }
    (firmware_id,) = odoo.call("iot.firmware", "create", [firmware])
    odoo.call("iot.firmware", "action_release", [firmware_id])
    (group_id,) = odoo.call(
        "iot.device.group",
        "create",
        [{"name": "Trial", "farm_id": farm.id, "device_ids": [(6, 0, [device.record_id for device in devices])]}],
    )
    plan = {
        "firmware_id": firmware_id,
        "farm_id": farm.id,
        "group_ids": [(6, 0, [group_id])],
        "wave_ids": [(0, 0, {"sequence": number, "size": size}) for number, size in enumerate(WAVES)],
        "failure_limit": 3,
        "failure_window": 10,
    }
    (rollout_id,) = odoo.call("iot.firmware.rollout", "create", [plan])
    return rollout_id


class FirmwareDevices(Service):
    """The process of the devices, and what each of them keeps in its flash.

    :param devices: `support.Device`s
    """

    name = "devices"

    def __init__(self, directory, broker, devices):
        super().__init__(directory)
        self._broker, self._devices = broker, devices

    def write_plan(self, stop_halfway):
        """Say who the devices are, and which numbers of them stop halfway."""
        plan = {
            "broker": {"host": self._broker.host, "port": self._broker.port, "ca_file": str(self._broker.ca_file)},
            "devices": [
                {
                    "device_id": device.device_id,
                    "topics": device.topic("data").rsplit("/", 1)[0],
                    **vars(device.credentials),
                    "stops_halfway": number in stop_halfway,
                }
                for number, device in enumerate(self._devices)
            ],
        }
        (self.directory / PLAN).write_text(json.dumps(plan))

    def start(self):
        """Give them power."""
        self.spawn([sys.executable, Path(__file__).with_name("firmware_device.py"), self.directory])
        return self

    def kept(self):
        """What each keeps, in their order: see `firmware_device.Flash`; {} for one that has kept nothing yet."""
        files = [self.directory / f"{device.device_id}.json" for device in self._devices]
        return [json.loads(file.read_text()) if file.exists() else {} for file in files]

    def told(self):
        """The numbers of those that were sent a command."""
        return [number for number, kept in enumerate(self.kept()) if kept.get("commands")]

    def break_down(self, numbers):
        """Have these fail, until they are mended."""
        for number in numbers:
            self._broken(number).touch()

    def mend(self, numbers):
        """Have these fail no more."""
        for number in numbers:
            self._broken(number).unlink()

    def go_on(self):
        """Let those that stopped halfway go on."""
        (self.directory / GO_ON).touch()

    def _broken(self, number):
        return self.directory / f"{self._devices[number].device_id}{BROKEN}"


@pytest.fixture
def running(broker, devices, tmp_path):
    """The devices at work, all with version 1.0: three of the first ten fail, the second wave stops halfway."""
    process = FirmwareDevices(tmp_path, broker, devices)
    process.write_plan(stop_halfway=SECOND_WAVE)
    process.break_down(FAILING)
    with process:
        yield process


@pytest.fixture
def stored(instance):
    return Database(instance.postgres.dsn(instance.database))


def state(stored, rollout):
    return stored.value("SELECT state FROM iot_firmware_rollout WHERE id = %s", rollout)


def line_states(stored, rollout):
    """{state: number of devices}"""
    rows = stored.rows(
        "SELECT state, count(*) FROM iot_firmware_rollout_line WHERE rollout_id = %s GROUP BY state", rollout
    )
    return {row["state"]: row["count"] for row in rows}


def ended_as(stored, rollout, expected, seconds):
    """Wait until so many lines have these states."""
    eventually(
        lambda: line_states(stored, rollout) == expected, lambda: str(line_states(stored, rollout)), seconds=seconds
    )


def restart_everything(instance, broker, bed, devices):
    """Kill Odoo with its bridge, the broker, the database server and the devices, and start them again."""
    for service in (devices, instance, broker, bed.postgres):
        service.kill()
        assert not service.running()
    bed.postgres.start()
    broker.start()
    instance.start()
    devices.start()


def test_a_roll_out_stops_by_itself_goes_on_when_told_and_outlives_a_restart_of_everything(
    instance, broker, bed, odoo, rollout, running, stored
):
    reported = "SELECT count(*) FROM iot_device_state WHERE firmware_version = %s"
    eventually(lambda: stored.value(reported, FIRST_VERSION) == DEVICES, "all have reported their version", seconds=120)

    # Three of the first ten fail: it pauses, and follows the other seven to their end.
    odoo.call("iot.firmware.rollout", "action_start", [rollout])
    ended_as(stored, rollout, {"installed": 7, "failed": 3, "waiting": 40}, seconds=240)
    eventually(lambda: state(stored, rollout) == "paused", "it pauses by itself")
    assert running.told() == list(range(WAVES[0]))

    # Told to go on, it begins the next wave. In the midst of its downloads everything is killed.
    odoo.call("iot.firmware.rollout", "action_resume", [rollout])
    eventually(
        lambda: all(running.kept()[number].get("halfway") for number in SECOND_WAVE),
        "the second wave downloads",
        seconds=240,
    )
    assert running.told() == list(range(sum(WAVES))), "the third wave waits for the second"
    restart_everything(instance, broker, bed, running)
    running.go_on()

    # The second wave goes on where it was, the third begins by itself, and the roll-out is done.
    eventually(lambda: state(stored, rollout) == "done", lambda: str(line_states(stored, rollout)), seconds=240)
    assert line_states(stored, rollout) == {"installed": 47, "failed": 3}
    digest = hashlib.sha256(CONTENT).hexdigest()
    for number, kept in enumerate(running.kept()):
        assert len(set(kept["commands"])) == 1, f"device {number} was sent one command, if more than once"
        assert [found for _command, found in kept["installed"]] == ([] if number in FAILING else [digest])
    waves = stored.rows(
        "SELECT wave.id, wave.started_at, wave.finished_at, count(line.id) AS devices"
        "  FROM iot_firmware_rollout_wave wave JOIN iot_firmware_rollout_line line ON line.wave_id = wave.id"
        " WHERE wave.rollout_id = %s GROUP BY wave.id ORDER BY wave.sequence, wave.id",
        rollout,
    )
    assert [wave["devices"] for wave in waves] == [10, 20, 20]
    assert all(earlier["finished_at"] <= later["started_at"] for earlier, later in pairwise(waves))
    sources = stored.rows("SELECT source FROM iot_device_command WHERE command = 'update_firmware'")
    assert Counter(row["source"] for row in sources) == {"rollout": DEVICES}

    # The three are mended, and tried again.
    running.mend(FAILING)
    log_in(instance).call("iot.firmware.rollout", "action_retry_failed", [rollout])
    ended_as(stored, rollout, {"installed": DEVICES}, seconds=240)
    eventually(lambda: state(stored, rollout) == "done", "it is done")
    assert [kept["version"] for kept in running.kept()] == ["2.0"] * DEVICES
    assert [len(kept["installed"]) for kept in running.kept()] == [1] * DEVICES
