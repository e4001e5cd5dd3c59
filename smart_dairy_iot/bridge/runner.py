"""The bridge as a whole: its parts are assembled when this process leads, and taken down when it no longer does.

For operators: one bridge per database receives; start as many as you like, the others stand by. It says in the log when
it takes or loses the lead, when broker or database are lost and when they are back, once each. Its counters stand on
the retained topic `dairy/system/health` every ten seconds: received = stored + duplicates + dead_letters; and beside
them, under `http`, those of the messages that came over HTTP, since the platform was installed.
"""

import contextlib
import socket
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta

import orjson

from .client import BrokerClient
from .contract import payload_validator, read_topics, topic_table
from .database import BRIDGE_LOCK, WRITER_LOCK_TIMEOUT, connect
from .decoder import Decoder
from .devices import DeviceCache
from .ingestion import read_counters
from .leadership import Leadership
from .liveness import Liveness
from .messages import Message
from .metrics import BridgeMetrics
from .outbox import Outbox
from .pipeline import Pipeline
from .store import Store
from .supervisor import SupervisedThread
from .timestamps import format_timestamp, utc_now
from .topics import HEALTH_TOPIC

_HEALTH_INTERVAL = timedelta(seconds=10)
_LIVENESS_INTERVAL = timedelta(seconds=5)
_OUTBOX_INTERVAL = timedelta(seconds=5)

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
        self.leadership = Leadership(dsn, BRIDGE_LOCK, "IoT bridge", self._lead)
        self.name = f"bridge {db_name}"
        self._shift = None

    def run(self, stop):
        """Lead or stand by until the event is set."""
        self.leadership.run(stop)

    @property
    def receiving(self):
        """Whether this process leads and the broker has taken its subscriptions."""
        shift = self._shift
        return shift is not None and shift.client.receiving.is_set()

    def _lead(self, connection, stop):
        self._shift = shift = _Shift(
            self._dsn, self._db_name, self._config, self._specs, self._make_workers, connection
        )
        try:
            shift.start()
            while not stop.is_set():
                shift.tick(connection.heard(timeout=0.5))
        finally:
            self._shift = None
            # Told to stop, this process leads to the end; otherwise the lead is lost.
            shift.stop(leads=stop.is_set())


class _Shift:
    """The running parts of the bridge from taking the lead to losing it."""

    def __init__(self, dsn, db_name, config, specs, make_workers, leader):
        self._leader = leader.connection
        self._started_at = utc_now()
        with self._leader.cursor() as cursor:
            rows = read_topics(cursor)
            self._devices = DeviceCache()
            self._devices.reload(cursor)
            self._http_counters = read_counters(cursor)
        self._topic_rows = rows
        decoder = Decoder(
            topic_table(rows), payload_validator(rows), self._devices, timedelta(days=config.telemetry_retention_days)
        )
        self.client = BrokerClient(config, decoder.topics.subscriptions(), self._receive)
        self.pipeline = Pipeline(
            lambda: connect(dsn, WRITER_LOCK_TIMEOUT),
            decoder,
            Store(specs, config.dead_letters_per_hour),
            self.client.acknowledge,
            config.bridge_batch_size,
            config.bridge_flush_ms / 1000,
        )
        self.context = WorkerContext(dsn, db_name, config, self.pipeline.submit)
        self._threads = [SupervisedThread(worker) for worker in make_workers(self.context)]
        self._writer = threading.Thread(target=self.pipeline.run, name="smart_dairy_iot writer", daemon=True)
        self._outbox = Outbox(self.client)
        self._liveness = Liveness(config)
        self._metrics = BridgeMetrics(db_name, self.pipeline, lambda: self._http_counters)
        self._replaying = set()
        self._due = {}

    def start(self):
        self._writer.start()
        self.client.start()
        for thread in self._threads:
            thread.start()

    def stop(self, leads):
        """Take down what was started, which may be a part of it, where `start` failed.

        :param leads: whether this process has the lead still
        """
        for thread in self._threads:
            thread.request_stop()
        with contextlib.ExitStack() as steps:  # the last one is the first to be taken
            steps.callback(self._metrics.close)
            if leads:
                # What is stored is acknowledged first: a refused message that comes again is counted again.
                steps.callback(self._stop_client)
            steps.callback(self._stop_writer)
            steps.callback(self._stop_workers)
            if not leads:
                # First of all: another bridge is about to connect with the same client id.
                steps.callback(self._stop_client)

    def _stop_client(self):
        self.client.stop(self._health("stopped"))

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
        now = utc_now()
        if self._outbox.busy or self._is_due("outbox", _OUTBOX_INTERVAL, now) or "iot_outbox" in heard:
            self._outbox.publish(self._leader)
        if self._is_due("replays", _OUTBOX_INTERVAL, now) or "iot_dead_letter" in heard:
            self._replay()
        listening_since = self.client.receiving_since
        if listening_since and not self.pipeline.outage and self._is_due("liveness", _LIVENESS_INTERVAL, now):
            self._liveness.check(self._leader, now, listening_since)
        if self._is_due("http counters", _HEALTH_INTERVAL, now):
            with self._leader.cursor() as cursor:
                self._http_counters = read_counters(cursor)
        if self.client.connected.is_set() and self._is_due("health", _HEALTH_INTERVAL, now):
            self.client.publish(HEALTH_TOPIC, orjson.dumps(self._health("online")), qos=1, retain=True)

    def _is_due(self, name, interval, now):
        if now < self._due.get(name, now):
            return False
        self._due[name] = now + interval
        return True

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
        now = utc_now()
        return {
            "status": status,
            "timestamp": format_timestamp(now),
            "host": socket.gethostname(),
            "uptime_seconds": int((now - self._started_at).total_seconds()),
            "devices": len(self._devices),
            "waiting": self.pipeline.waiting,
            "database": "lost" if self.pipeline.outage else "connected",
            **self.pipeline.counters.as_dict(),
            "http": self._http_counters,
        }
