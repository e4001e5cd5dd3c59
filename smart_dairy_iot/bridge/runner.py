"""The bridge as a whole: its parts are assembled when this process leads, and taken down when it no longer does.

For operators: one bridge per database receives; start as many as you like, the others stand by. One that is killed,
stopped, or cut off from the database or the broker is relieved by another within ten seconds (`leader_connection.py`).
It says in the log when it takes or loses the lead, when broker or database are lost and when they are back, once each.
Its counters stand on the retained topic `dairy/system/health` every ten seconds: received = stored + duplicates +
dead_letters, and `dropped`, what came at QoS 0 while too much was waiting to be stored; beside them, under `http`,
those of the messages that came over HTTP, since the platform was installed, and under `inbox` and `outbox` what waits
there.
"""

import contextlib
import logging
import socket
import threading
import time
import zlib
from concurrent.futures import Future
from dataclasses import dataclass

import orjson

from ..telemetry.quality import read_quality
from ..telemetry.retention import retention_by_type
from .client import BrokerClient
from .contract import payload_validator, read_topics, topic_table
from .database import BRIDGE_LOCK, WRITER_LOCK, WRITER_LOCK_TIMEOUT, connect
from .decoder import Decoder
from .devices import DeviceCache
from .ingestion import read_counters
from .leader_connection import NotLeading, take_writers_lock
from .leadership import Leadership
from .liveness import Listening, Liveness
from .mailboxes import read_mailboxes
from .messages import Message
from .metrics import BridgeMetrics, Figures, quality_figures
from .outbox import Outbox
from .pipeline import Pipeline
from .schedule import Schedule
from .store import Store
from .supervisor import SupervisedThread
from .timestamps import format_timestamp, utc_now
from .topics import HEALTH_TOPIC

_logger = logging.getLogger(__name__)

# Seconds.
_HEALTH_INTERVAL, _LIVENESS_INTERVAL, _QUALITY_INTERVAL, _OUTBOX_INTERVAL = 10, 5, 60, 5
_SUBSCRIPTIONS_INTERVAL = 10
# Seconds without the broker after which a leader lets another one try: of a connection that was lost, which comes back
# after a second if the broker is there, and of one that never was.
_LOST_PATIENCE, _FIRST_PATIENCE, _LONGEST_PATIENCE = 2.0, 5.0, 300.0

# What a person corrected is sent instead of what the device said, on the device's own topic all the same.
_SELECT_REPLAYS = """
    SELECT id, topic, coalesce(convert_to(corrected_payload, 'UTF8'), payload)
      FROM iot_dead_letter WHERE state = 'replaying' ORDER BY id LIMIT 500
"""


class ThreadEnded(RuntimeError):
    """A thread without which the bridge does not work has died."""


@dataclass
class WorkerContext:
    """What a worker in the bridge's process may use.

    :param dsn: dict of keyword arguments of `psycopg2.connect`
    :param submit: callable(topic, payload dict) -> Future of the outcome, see `Pipeline.submit`
    """

    dsn: dict
    db_name: str
    config: object
    submit: object


class Bridge:
    """:param specs: the `TelemetrySpec`s of the database's models
    :param make_workers: callable(`WorkerContext`) -> workers that run while this process leads
    """

    def __init__(self, dsn, db_name, config, specs, make_workers=lambda context: []):
        self._dsn = dsn
        self._db_name = db_name
        self._config = config
        self._specs = specs
        self._make_workers = make_workers
        self.leadership = Leadership(dsn, _lock_of(BRIDGE_LOCK, config), "IoT bridge", self._lead)
        self.name = f"bridge {db_name}"
        self._shift = None
        self._patience = _FIRST_PATIENCE

    def run(self, stop):
        """Lead or stand by until the event is set."""
        self.leadership.run(stop)

    @property
    def receiving(self):
        """Whether this process leads and the broker has taken its subscriptions."""
        shift = self._shift
        return shift is not None and shift.client.receiving.is_set()

    def _lead(self, connection, stop):
        connection.end_holders(_lock_of(WRITER_LOCK, self._config))
        self._shift = shift = _Shift(
            self._dsn, self._db_name, self._config, self._specs, self._make_workers, connection
        )
        try:
            shift.start()
            while not stop.is_set() and not self._gives_way(shift.client, connection):
                shift.tick(connection.heard(timeout=0.5))
        finally:
            self._shift = None
            # Told to stop, this process leads to the end; otherwise the lead is lost, or let go for somebody else to
            # have it, who does not wait until all is taken down here.
            leads = stop.is_set()
            if not leads:
                connection.close()
            shift.stop(leads)

    def _gives_way(self, client, connection):
        """Whether somebody else is to try: this process is cut off from the broker, and another one stands by."""
        if client.ever_connected:
            self._patience = _FIRST_PATIENCE
        limit = _LOST_PATIENCE if client.ever_connected else self._patience
        if client.seconds_without_broker < limit or not connection.somebody_stands_by():
            return False
        if not client.ever_connected:
            # It is the broker that is away, as it seems: let not the lead go round in circles.
            self._patience = min(self._patience * 2, _LONGEST_PATIENCE)
        _logger.info("%s cannot reach the broker and lets another process try", self.name)
        return True


class _Shift:
    """The running parts of the bridge from taking the lead to losing it."""

    def __init__(self, dsn, db_name, config, specs, make_workers, leader):
        self._config = config
        self._leader_connection = leader
        self._leader = leader.connection
        self._sees_to_all = False
        self._lease = leader.lease
        self._dsn = dsn
        self._started_at = time.monotonic()
        with self._leader.cursor() as cursor:
            rows = read_topics(cursor)
            self._devices = DeviceCache()
            self._devices.reload(cursor)
            self._http_counters = read_counters(cursor)
            self._mailboxes = read_mailboxes(cursor)
            self._quality = read_quality(cursor)
        self._topic_rows = rows
        decoder = Decoder(topic_table(rows), payload_validator(rows), self._devices, retention_by_type(specs, config))
        self.client = BrokerClient(config, decoder.topics.subscriptions(), self._receive, self._may_speak)
        self.pipeline = Pipeline(
            self._connect_writer,
            decoder,
            Store(specs, config.dead_letters_per_hour),
            self.client.acknowledge,
            config.bridge_batch_size,
            config.bridge_flush_ms / 1000,
            # As many of QoS 0 as the broker delivers of QoS 1.
            2 * config.bridge_receive_maximum,
        )
        self.context = WorkerContext(dsn, db_name, config, self.pipeline.submit)
        self._threads = [SupervisedThread(worker) for worker in make_workers(self.context)]
        self._writer = threading.Thread(target=self.pipeline.run, name="smart_dairy_iot writer", daemon=True)
        self._outbox = Outbox(self.client)
        self._liveness = Liveness(config)
        self._listening = Listening()
        self._metrics = BridgeMetrics(
            db_name, self.pipeline, self.client, lambda: self._http_counters, lambda: self._mailboxes
        )
        self._quality_figures = Figures(db_name, lambda: quality_figures(self._quality))
        self._replaying = set()
        self._schedule = Schedule()

    def _may_speak(self):
        return self._lease.valid

    def _connect_writer(self):
        if not self._lease.valid:
            raise NotLeading("the database has not answered for some seconds, and another process may lead by now")
        connection = connect(self._dsn, WRITER_LOCK_TIMEOUT)
        take_writers_lock(connection, _lock_of(WRITER_LOCK, self._config), self._lease)
        return connection

    def start(self):
        self._writer.start()
        self.client.start()

    def stop(self, leads):
        """Take down what was started, which may be a part of it, where `start` failed.

        :param leads: whether this process has the lead still
        """
        for thread in self._threads:
            thread.request_stop()
        with contextlib.ExitStack() as steps:  # the last one is the first to be taken
            steps.callback(self._metrics.close)
            steps.callback(self._quality_figures.close)
            if leads:
                # What is stored is acknowledged first: a refused message that comes again is counted again.
                steps.callback(self._stop_client_with_a_word)
            steps.callback(self._stop_writer)
            steps.callback(self._stop_workers)
            if not leads:
                # First of all: another bridge is about to connect with the same client id, and says how it is.
                steps.callback(self.client.stop, None)

    def _stop_client_with_a_word(self):
        self.client.stop(self._health("stopped") if self._sees_to_all else None)

    def _stop_workers(self):
        for thread in filter(threading.Thread.is_alive, self._threads):
            thread.join(timeout=10)

    def _stop_writer(self):
        self.pipeline.stop()
        if self._writer.is_alive():
            self._writer.join(timeout=10)

    def tick(self, heard):
        """Twice a second, or as soon as a notification is heard.

        :param heard: set of channels
        :raises psycopg2.Error: where the connection has died; the lead is then taken afresh
        :raises ThreadEnded: where a thread has died; the bridge is then started afresh
        """
        if not self._writer.is_alive():
            raise ThreadEnded("the bridge's writer has ended")
        if not self.client.alive:
            raise ThreadEnded("the bridge's MQTT client has ended")
        if "iot_registry" in heard:
            self._reload()
        if self._schedule.is_due("subscriptions", _SUBSCRIPTIONS_INTERVAL):
            self.client.subscribe_again()
        if self._schedule.is_due("figures", _HEALTH_INTERVAL):
            with self._leader.cursor() as cursor:
                self._http_counters = read_counters(cursor)
                self._mailboxes = read_mailboxes(cursor)
        if self._schedule.is_due("quality", _QUALITY_INTERVAL):
            with self._leader.cursor() as cursor:
                self._quality = read_quality(cursor)
        if self._sees_to_all or self._see_to_all():
            self._tick_for_all(heard, utc_now())

    def _see_to_all(self):
        """Take on what one bridge does for all; whether this one does.

        Without a group it is the one that leads. In a group it is whichever comes first, and the lock is its own for as
        long as its connection lasts.
        """
        self._sees_to_all = self._leader_connection.try_lock(BRIDGE_LOCK)
        if self._sees_to_all:
            for thread in self._threads:
                thread.start()
        return self._sees_to_all

    def _tick_for_all(self, heard, now):
        if self._outbox.busy or self._schedule.is_due("outbox", _OUTBOX_INTERVAL) or "iot_outbox" in heard:
            self._outbox.publish(self._leader)
        if self._schedule.is_due("replays", _OUTBOX_INTERVAL) or "iot_dead_letter" in heard:
            self._replay()
        listening_since = self._listening.since(self.client.receiving.is_set() and not self.pipeline.outage, now)
        if listening_since and self._schedule.is_due("liveness", _LIVENESS_INTERVAL):
            self._liveness.check(self._leader, now, listening_since)
        if self.client.connected.is_set() and self._schedule.is_due("health", _HEALTH_INTERVAL):
            self.client.publish(HEALTH_TOPIC, orjson.dumps(self._health("online")), qos=1, retain=True)

    def _receive(self, message):
        self.pipeline.put(message)

    def _reload(self):
        """Take over what changed in the registry; other topics are other subscriptions."""
        with self._leader.cursor() as cursor:
            self._devices.reload(cursor)
            rows = read_topics(cursor)
        if rows != self._topic_rows:
            self._topic_rows = rows
            # In this order: the writer decodes meanwhile, and what has a route has to have its schema.
            self.pipeline.decoder.validator = payload_validator(rows)
            self.pipeline.decoder.topics = topic_table(rows)
            self.client.subscribe(self.pipeline.decoder.topics.subscriptions())

    def _replay(self):
        """Send dead letters that a user released through the pipeline once more."""
        with self._leader.cursor() as cursor:
            cursor.execute(_SELECT_REPLAYS)
            rows = [row for row in cursor.fetchall() if row[0] not in self._replaying]
        for letter_id, topic, payload in rows:
            self._replaying.add(letter_id)
            message = Message(topic, bytes(payload), utc_now(), future=Future(), dead_letter_id=letter_id)
            message.future.add_done_callback(lambda _future, letter_id=letter_id: self._replaying.discard(letter_id))
            self.pipeline.put(message)

    def _health(self, status):
        return {
            "status": status,
            "timestamp": format_timestamp(utc_now()),
            "host": socket.gethostname(),
            "uptime_seconds": int(time.monotonic() - self._started_at),
            "devices": len(self._devices),
            "waiting": self.pipeline.waiting,
            "database": "lost" if self.pipeline.outage else "connected",
            **self.pipeline.counters.as_dict(),
            "http": self._http_counters,
            **self._mailboxes,
        }


def _lock_of(lock, config):
    """The lock under which a bridge receives, or writes.

    Those that share a group work at the same time, each with a client id, a session at the broker and locks of its own;
    two processes with one client id relieve one another there, too.
    """
    if not config.bridge_share_group:
        return lock
    return lock << 32 | zlib.crc32(config.mqtt_bridge_client_id.encode())
