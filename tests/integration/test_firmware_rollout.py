"""A roll-out over fifty devices stops by itself, goes on, and outlives a restart of everything in the middle."""

import base64
import hashlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise

import pytest

from firmware_device import FirmwareDevice
from simulation.devices import Credentials
from support import Database, Device, Farm, eventually, log_in, new_code

DEVICES = 50
WAVES = (10, 20)
CONTENT = bytes(range(256)) * 4096
"""1 MiB, that no two parts of can be exchanged unnoticed by the checksum."""

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


@pytest.fixture
def halfway():
    """Set when downloads of the second wave may go on."""
    return threading.Event()


@pytest.fixture
def running(broker, devices, halfway):
    """The devices at work, all with version 1.0: three of the first ten fail, the second wave stops halfway."""
    first, second = WAVES[0], sum(WAVES)
    with ThreadPoolExecutor(max_workers=WAVES[1]) as pool, ExitStack() as stack:
        stack.callback(halfway.set)
        clients = []
        for number, device in enumerate(devices):
            client = FirmwareDevice(
                broker, device, pool, "1.0", number in FAILING, halfway if first <= number < second else None
            )
            stack.callback(client.close)
            clients.append(client)
        for client in clients:
            client.wait_subscribed()
            client.report()
        yield clients


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


def restart_everything(instance, broker, bed):
    """Kill Odoo with its bridge, the broker and the database server, and start them again."""
    for service in (instance, broker, bed.postgres):
        service.kill()
    bed.postgres.start()
    broker.start()
    instance.start()


def test_a_roll_out_stops_by_itself_goes_on_when_told_and_outlives_a_restart_of_everything(
    instance, broker, bed, odoo, rollout, running, stored, halfway
):
    reported = "SELECT count(*) FROM iot_device_state WHERE firmware_version = '1.0'"
    eventually(lambda: stored.value(reported) == DEVICES, "all devices have reported their version", seconds=60)

    # Three of the first ten fail: it pauses, and follows the other seven to their end.
    odoo.call("iot.firmware.rollout", "action_start", [rollout])
    expected = {"installed": 7, "failed": 3, "waiting": 40}
    eventually(lambda: line_states(stored, rollout) == expected, lambda: str(line_states(stored, rollout)), seconds=120)
    eventually(lambda: state(stored, rollout) == "paused", "it pauses by itself")
    assert [number for number, device in enumerate(running) if device.commands] == list(range(10))

    # Told to go on, it begins the next wave. In the midst of its downloads everything is killed.
    odoo.call("iot.firmware.rollout", "action_resume", [rollout])
    second = running[WAVES[0] : sum(WAVES)]
    eventually(lambda: all(device.is_halfway.is_set() for device in second), "the second wave downloads", seconds=120)
    assert not any(device.commands for device in running[sum(WAVES) :]), "the third wave waits for the second"
    restart_everything(instance, broker, bed)
    halfway.set()

    # The second wave goes on where it was, the third begins by itself, and the roll-out is done.
    eventually(lambda: state(stored, rollout) == "done", lambda: str(line_states(stored, rollout)), seconds=240)
    assert line_states(stored, rollout) == {"installed": 47, "failed": 3}
    digest = hashlib.sha256(CONTENT).hexdigest()
    for number, device in enumerate(running):
        assert len(set(device.commands)) == 1, f"{device.device.device_id} was sent one command, if more than once"
        assert [found for _command, found in device.installed] == ([] if number in FAILING else [digest])
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
