"""What is broken: a database, a broker, one or two bridges as processes of their own, and the cables between them."""

import contextlib
import random
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

import psycopg2
from psycopg2 import sql

from stack.shell import StackError
from stack.test_bed import TestBed

from .account import Account, read_account
from .load import Load
from .parts import FaultBridge, FaultBroker
from .traffic import TABLES, Traffic, make_devices
from .wire import Network

RATE = 300  # messages a second
_PATIENCE = 90


class Scene:
    """The parts, and what a fault does with them.

    :param hurry: to make the pauses of the short form
    """

    def __init__(self, bed: TestBed, database: str, broker: FaultBroker, network: Network, hurry: bool = False):
        self.bed = bed
        self._hurry = hurry
        self.database = database
        self.broker = broker
        self.bridges = [FaultBridge(number, bed, database, broker, network) for number in range(2)]
        self.devices = []
        self.load: Load | None = None
        self._connection = None

    # -- the database, past all cables -------------------------------------------------------------------------

    def rows(self, statement, *values) -> list[tuple]:
        """The rows of a query; opens a connection anew where the last one has died."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg2.connect(**self.bed.postgres.dsn(self.database))
            self._connection.autocommit = True
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []
        except psycopg2.Error:
            self.disconnect()
            raise

    @contextlib.contextmanager
    def locked_tables(self) -> Iterator[None]:
        """Nobody can store a reading within the block; whatever else a bridge asks of the database is answered."""
        tables = sql.SQL(", ").join(map(sql.Identifier, TABLES.values()))
        with contextlib.closing(psycopg2.connect(**self.bed.postgres.dsn(self.database))) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '20s'")
                cursor.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(tables))
            yield

    def disconnect(self) -> None:
        """Close the connection that `rows` keeps."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def register_devices(self) -> None:
        farm_id, farm = self.rows("SELECT id, code FROM farm_location ORDER BY id LIMIT 1")[0]
        self.devices = make_devices(farm)
        for device in self.devices:
            self.rows(
                "INSERT INTO iot_device (name, device_id, device_type, state, farm_id, mqtt_username, mqtt_client_id,"
                " auth_method, active) VALUES (%s, %s, %s, 'active', %s, %s, %s, 'password', true)",
                *(device.device_id, device.device_id, device.device_type, farm_id),
                *(device.device_id, f"sd_{device.device_id}"),
            )

    # -- bridges ---------------------------------------------------------------------------------------------------

    @property
    def bridge(self) -> FaultBridge:
        """The first one, which is the only one where a fault wants one."""
        return self.bridges[0]

    def leader(self) -> FaultBridge | None:
        """Whoever is connected to the broker."""
        return next((bridge for bridge in self.bridges if bridge.tap.receiving), None)

    def ensure_bridges(self, count: int) -> None:
        """See that so many run, with whole cables, and that one of them receives."""
        for bridge in self.bridges[count:]:
            bridge.stop()
        for bridge in self.bridges:
            bridge.mend()
        for bridge in self.bridges[:count]:
            bridge.start()
        self.wait(lambda: self.leader() is not None, "a bridge receives")
        for bridge in self.bridges[:count]:
            self.wait(bridge.has_taken_part, "the other bridge stands by")

    def stop_bridges(self) -> None:
        for bridge in self.bridges:
            bridge.stop()

    def restart_broker(self, saving: tuple[str, int]) -> None:
        """Have a broker that saves in this way, whole at first."""
        self.broker.stop()
        self.broker.saving = saving
        self.broker.start()

    def pick_up(self) -> None:
        """Have the servers run, and no bridge, however a fault has left them."""
        for bridge in self.bridges:
            bridge.kill()
            bridge.mend()
        self.bed.postgres.start()
        self.broker.start()

    # -- load --------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def loaded(self, rate: float = RATE, poison: dict[int, str] | None = None) -> Iterator[Load]:
        """Devices speak; some of what they said is stored when the block begins."""
        for bridge in self.bridges:
            bridge.tap.forget()
        begin = datetime.now(timezone.utc).replace(tzinfo=None)
        traffic = Traffic(self.devices, begin.replace(microsecond=begin.microsecond // 1000 * 1000), poison)
        self.load = load = Load(traffic, self.broker.publisher(), rate).start()
        try:
            self.wait(lambda: self.has_stored(0), "the first readings are stored")
            yield load
        finally:
            load.stop()
            load.close()
            self.load = None

    def has_stored(self, number: int) -> bool:
        """Whether a reading is stored of those that were published from a number on; False while nobody can tell."""
        since = self.load.traffic.time_of(number)
        ids = [device.device_id for device in self.devices]
        try:
            return any(
                self.rows(
                    sql.SQL(
                        "SELECT EXISTS (SELECT FROM {} WHERE timestamp >= %s AND iot_device_id IN"
                        " (SELECT id FROM iot_device WHERE device_id = ANY(%s)))"
                    ).format(sql.Identifier(table)),
                    *(since, ids),
                )[0][0]
                for table in TABLES.values()
            )
        except psycopg2.OperationalError:
            return False

    def recovery(self, since: float | None = None) -> float:
        """Wait until something is stored that was published after a moment, by default now; returns after how long.

        :param since: by `time.monotonic`
        """
        since = time.monotonic() if since is None else since
        self.wait(lambda: self.has_stored(self.load.number_since(since)), "what is published since is stored")
        return time.monotonic() - since

    def settle(self) -> Account:
        """End the load, wait until the broker holds nothing more, and count.

        The broker delivers in order: once a message is stored that was published after all others, it has delivered
        what it had.
        """
        load = self.load
        load.stop()
        self.wait(load.all_acknowledged, "the broker has acknowledged what was published")
        deadline = time.monotonic() + _PATIENCE
        while not self._comes_through(load.publish_one()):
            if time.monotonic() > deadline:
                raise StackError(f"Nothing comes through.\n{self.logs()}")
        return read_account(self)

    def _comes_through(self, number: int) -> bool:
        if self.load.traffic.is_status(number):
            return False
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            if self.has_stored(number):
                return True
            time.sleep(0.05)
        return False

    # -- waiting -----------------------------------------------------------------------------------------------------

    def pause(self, rng: random.Random, least: float, most: float) -> None:
        """Let some seconds go by; in a hurry it is of the lower third."""
        time.sleep(rng.uniform(least, least + (most - least) / 3 if self._hurry else most))

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = _PATIENCE) -> None:
        """Wait until the condition is true.

        :raises StackError: where it is not in time
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise StackError(f"Not within {seconds:.0f} s: {what}.\n{self.logs()}")
            time.sleep(0.02)

    def logs(self) -> str:
        """The last lines of each bridge's log."""
        return "\n".join(f"The end of {bridge.log_file}:\n{bridge.log_tail()}" for bridge in self.bridges)


@contextlib.contextmanager
def open_scene(bed: TestBed, template: str, name: str, hurry: bool = False) -> Iterator[Scene]:
    """A scene on a copy of the database ``template``, which has the addons; the bridges are not started."""
    bed.copy_database(template, name)
    broker = FaultBroker(bed.directory / f"{name}_broker", bed.prefix)
    try:
        with Network() as network, broker:
            scene = Scene(bed, name, broker, network, hurry)
            scene.register_devices()
            try:
                yield scene
            finally:
                for bridge in scene.bridges:
                    bridge.kill()
                scene.disconnect()
    finally:
        bed.drop_database(name)
        shutil.rmtree(broker.directory, ignore_errors=True)
