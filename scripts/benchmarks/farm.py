"""What is measured: an Odoo's database with devices, a broker, and the bridge as a process of its own."""

import contextlib
import json
import os
import re
import resource
import secrets
import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import paho.mqtt.client as mqtt
import psycopg2
from psycopg2 import sql

from simulation.rpc import OdooClient
from stack.service import Service
from stack.shell import StackError, free_port, say
from stack.test_bed import STANDARD_DATABASE, TestBed, open_test_bed

from .limits import copy_rate
from .publisher import Publisher
from .traffic import TABLES, make_devices

DATABASE = "bench"
SMOKE = bool(os.environ.get("SMOKE"))
ADDONS = ("smart_dairy_iot", "smart_dairy_iot_milk", "smart_dairy_iot_alerts")
_CONTROL = "$CONTROL/dynamic-security/v1"
_PUBLISHER = "sd_bench"
_COPY_BATCH = 1_000
# What a device of each type needs beside what all have.
_KINDS = {
    "collar": {"device_type": "collar"},
    "temperature": {"device_type": "temperature"},
    "milk_meter": {"manufacturer": "other", "communication_type": "mqtt"},
}


@dataclass(frozen=True)
class FarmPlan:
    """What a benchmark wants to have. Those that want the same, under one name, share it."""

    name: str
    devices: int
    farms: int = 1


_SMOKE_PLAN = FarmPlan("smoke", 200, 4)


def plan(name: str, devices: int, farms: int = 1) -> FarmPlan:
    """A plan of that size; in short runs the same small one for all."""
    return _SMOKE_PLAN if SMOKE else FarmPlan(name, devices, farms)


class BridgeProcess(Service):
    """`odoo-bin iot_bridge`, as in production: the inbox is another process' business."""

    name = "iot_bridge"

    def __init__(self, instance):
        super().__init__(instance.directory / "bridge")
        self._instance = instance
        self._metrics_port = free_port()

    def start(self) -> "BridgeProcess":
        command = self._instance.command("iot_bridge", "-d", self._instance.database, "--reactors", "off")
        # Not in the configuration: the web server, which has the same, would serve figures of its own there.
        environ = self._instance.environ() | {"SMART_DAIRY_METRICS_PORT": str(self._metrics_port)}
        self.spawn(command, env=environ, cwd=self.directory)
        return self

    def outcomes(self) -> dict[str, int]:
        """How many messages it has been given since it took the lead, by what became of them: see the metric
        `smart_dairy_messages_total` in `docs/monitoring.md`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics", timeout=30) as response:
            text = response.read().decode()
        samples = re.findall(r'^smart_dairy_messages_total\{.*outcome="(\w+)"\} (\S+)$', text, re.MULTILINE)
        return {outcome: int(float(count)) for outcome, count in samples}


class BenchFarm:
    """The devices with their servers; the bridge is started by whoever measures.

    ``history`` is what `history.fill` has filled the store with, None before.
    """

    def __init__(self, bed, instance, broker, devices: list, password: str):
        self.bed = bed
        self.instance = instance
        self.broker = broker
        self.devices = devices
        self.history = None
        self.bridge = BridgeProcess(instance)
        self.publisher = Publisher((broker.host, broker.port), str(broker.ca_file), _PUBLISHER, password)
        self._connection = self.connect()

    def connect(self):
        """A connection of the caller's own to the database, which commits each statement."""
        connection = psycopg2.connect(**self.bed.postgres.dsn(DATABASE))
        connection.autocommit = True
        return connection

    def rows(self, statement, *values) -> list[tuple]:
        """The rows of a query on the farm's database."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def accepted(self) -> int:
        """Messages that the bridge has taken from the devices and committed, cheap to ask."""
        return int(self.rows("SELECT coalesce(sum(messages_received), 0) FROM iot_device_state")[0][0])

    def stored(self) -> int:
        """Messages that are in the store: rows of readings and, of statuses, of the inbox."""
        count = sql.SQL("SELECT count(*) FROM {}")
        stored = sum(self.rows(count.format(sql.Identifier(table)))[0][0] for table in TABLES.values())
        return stored + self.rows("SELECT count(*) FROM iot_inbox WHERE kind = 'device_status'")[0][0]

    def require_timescaledb(self) -> None:
        """:raises StackError: where the server has none: there a table of readings is a view, not a hypertable"""
        if not self.rows("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'"):
            raise StackError("This is measured on a server with TimescaleDB.")

    def copy_rate(self, begin: datetime, end: datetime) -> float:
        """Rows a second that PostgreSQL copies of what was measured in a time, see `limits.copy_rate`."""
        with contextlib.closing(psycopg2.connect(**self.bed.postgres.dsn(DATABASE))) as connection:
            return copy_rate(connection, TABLES.values(), begin, end, _COPY_BATCH)


@contextlib.contextmanager
def open_farm(odoo, environment, wanted: FarmPlan) -> Iterator[BenchFarm]:
    """A farm with its devices in service; its servers end with it."""
    # As many open files as the system lets it have: the broker inherits that, and needs one per connection.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with _open_bed(odoo, environment) as bed:
        broker = bed.broker("bench_broker")
        with broker:
            password = _make_publisher(broker)
            # The web server's own bridge would take the lead.
            instance = bed.instance(DATABASE, broker, bridge_enabled="false")
            made = make_devices(wanted.devices, wanted.farms)
            with instance:
                say(f"registering {wanted.devices:,} devices")
                _register(OdooClient(instance.url, DATABASE, "admin", "admin", timeout=600), made)
            del instance.section["bridge_enabled"]
            instance.write_conf()
            farm = BenchFarm(bed, instance, broker, made, password)
            # No broker user of its own for each: one connection publishes for many of them.
            farm.rows("UPDATE iot_device SET state = 'active'")
            try:
                yield farm
            finally:
                farm.bridge.stop()


@contextlib.contextmanager
def _open_bed(odoo, environment) -> Iterator[TestBed]:
    """A test bed with the farm's database: one of its own, or, in a run of tests, the one that runs already."""
    described = os.environ.get("SMART_DAIRY_TEST_BED")
    if not described:
        with open_test_bed(odoo, environment, list(ADDONS)) as bed:
            bed.copy_database(STANDARD_DATABASE, DATABASE)
            say("installing the addons")
            bed.instance(DATABASE).install(*ADDONS)
            yield bed
        return
    bed, template = TestBed.described(Path(described))
    bed.copy_database(template, DATABASE)
    try:
        yield bed
    finally:
        bed.drop_database(DATABASE)
        # The next farm's broker is another one.
        shutil.rmtree(bed.directory / "bench_broker", ignore_errors=True)


def _register(odoo: OdooClient, devices: list) -> None:
    codes = sorted({device.farm_code for device in devices})
    farms = [{"name": code, "code": code, "tz": "UTC"} for code in codes]
    ids = dict(zip(codes, odoo.call("farm.location", "create", farms), strict=True)) if farms else {}
    for device_type in TABLES:
        rows = [
            {
                "name": device.device_id,
                "device_id": device.device_id,
                "farm_id": ids[device.farm_code],
                **_KINDS[device_type],
            }
            for device in devices
            if device.device_type == device_type
        ]
        if rows:
            odoo.call("iot.milk_meter" if device_type == "milk_meter" else "iot.device", "create", rows)


def _make_publisher(broker) -> str:
    """Make the user that publishes for all devices, with the bridge's rights; returns its password."""
    password = secrets.token_urlsafe(32)
    commands = [
        {
            "command": "createClient",
            "username": _PUBLISHER,
            "password": password,
            "roles": [{"rolename": "bridge", "priority": 0}],
        }
    ]
    answers = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"{broker.admin_username}_bench")
    client.username_pw_set(broker.admin_username, broker.admin_password)
    client.tls_set(str(broker.ca_file))
    client.on_message = lambda _client, _userdata, message: answers.append(json.loads(message.payload))
    client.on_subscribe = lambda *_arguments: client.publish(_CONTROL, json.dumps({"commands": commands}), qos=1)
    client.on_connect = lambda *_arguments: client.subscribe(f"{_CONTROL}/response", qos=1)
    client.connect(broker.host, broker.port)
    for _turn in range(100):
        client.loop(0.1)
        if answers:
            break
    client.disconnect()
    if not answers or "error" in answers[0]["responses"][0]:
        raise StackError(f"The broker did not make the publisher's user: {answers}")
    return password
