"""The running parts of a bridge, assembled when its process takes the lead and taken down when it loses it."""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field

import orjson

from ..telemetry.quality import read_quality
from ..telemetry.retention import retention_by_type
from .client import BrokerClient
from .contract import payload_validator, read_topics, topic_table
from .database import BRIDGE_LOCK, WRITER_LOCK, WRITER_LOCK_TIMEOUT, connect, lock_of
from .decoder import Decoder
from .devices import DeviceCache
from .duties import Duties
from .ingestion import Ingestion, read_counters
from .leader_connection import NotLeading, take_writers_lock
from .liveness import Listening, Liveness
from .mailboxes import read_mailboxes
from .metrics import BridgeMetrics, Figures, quality_figures
from .outbox import Outbox
from .pipeline import Pipeline
from .replays import Replays
from .schedule import Schedule
from .store import Store
from .subscriptions import Subscriptions
from .supervisor import SupervisedThread
from .timestamps import format_timestamp, utc_now
from .topics import HEALTH_TOPIC

# Seconds.
_HEALTH_INTERVAL, _LIVENESS_INTERVAL, _QUALITY_INTERVAL, _OUTBOX_INTERVAL = 10, 5, 60, 5
_SUBSCRIPTIONS_INTERVAL, _WORKERS_INTERVAL = 10, 5
# A broker that is killed comes back with its sessions as it saved them last: Mosquitto saves every half hour, unless it
# is told otherwise.
_BROKER_SAVES_WITHIN = 3600


class ThreadEnded(RuntimeError):
    """A thread without which the bridge does not work has died."""


@dataclass
class WorkerContext:
    """What a worker in the bridge's process may use.

    :param dsn: dict of keyword arguments of `psycopg2.connect`
    :param submit: callable(topic, payload dict) -> Future of the outcome, see `Pipeline.submit`; it is cancelled where
        the shift has ended
    :param store: callable(list of (topic, payload dict)) that stores them with or without the lead, also after the
        shift; it blocks, and raises `ingestion.IngestionUnavailable`, see `Ingestion.store_own`
    """

    # It has the password, which no log or traceback is to show.
    dsn: dict = field(repr=False)
    db_name: str
    config: object
    submit: object
    store: object


class Shift:
    """:param specs, make_workers: as of `runner.Bridge`
    :param leader: `LeaderConnection` that has the lead
    :param lasting: `LastingThreads` of the process
    """

    def __init__(self, dsn, db_name, config, specs, make_workers, leader, lasting):
        self._config = config
        self._leader_connection = leader
        self._leader = leader.connection
        self._sees_to_all = False
        self._lease = leader.lease
        self._dsn = dsn
        self._started_at = time.monotonic()
        self._subscriptions = Subscriptions(config)
        with self._leader.cursor() as cursor:
            rows = read_topics(cursor)
            topics = topic_table(rows)
            filters = self._subscriptions.remember(cursor, topics.subscriptions())
            self._devices = DeviceCache()
            self._devices.reload(cursor)
            self._http_counters = read_counters(cursor)
            self._mailboxes = read_mailboxes(cursor)
            self._quality = read_quality(cursor)
        self._topic_rows = rows
        retention = retention_by_type(specs, config)
        decoder = Decoder(topics, payload_validator(rows), self._devices, retention)
        self.client = BrokerClient(config, filters, self._receive, self._may_speak)
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
        without_lead = Ingestion(dsn, Store(specs, config.dead_letters_per_hour), retention)
        self.context = WorkerContext(dsn, db_name, config, self.pipeline.submit, without_lead.store_own)
        workers = make_workers(self.context)
        self._threads = [SupervisedThread(worker) for worker in workers if not lasting.wants(worker)]
        self._lasting = lasting
        self._lasting_workers = [worker for worker in workers if lasting.wants(worker)]
        self._writer = threading.Thread(target=self.pipeline.run, name="smart_dairy_iot writer", daemon=True)
        self._outbox = Outbox(self.client)
        self._liveness = Liveness(config)
        self._listening = Listening()
        self._metrics = BridgeMetrics(
            db_name, self.pipeline, self.client, lambda: self._http_counters, lambda: self._mailboxes
        )
        self._quality_figures = Figures(db_name, lambda: quality_figures(self._quality))
        self._replays = Replays(self.pipeline.put)
        self._schedule = Schedule()
        self._duties = Duties(leader.beat)

    def _may_speak(self):
        return self._lease.valid

    def _connect_writer(self):
        if not self._lease.valid:
            raise NotLeading("the database has not answered for some seconds, and another process may lead by now")
        connection = connect(self._dsn, WRITER_LOCK_TIMEOUT)
        take_writers_lock(connection, lock_of(WRITER_LOCK, self._config), self._lease)
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
        if leads:
            self._lasting.request_stop()
        with contextlib.ExitStack() as steps:  # the last one is the first to be taken
            steps.callback(self._metrics.close)
            steps.callback(self._quality_figures.close)
            if leads:
                # What is stored is acknowledged first: a refused message that comes again is counted again.
                steps.callback(self._stop_client_with_a_word)
            steps.callback(self._stop_writer)
            steps.callback(self._stop_workers)
            if leads:
                # Before the writer, which is to store what they hold.
                steps.callback(self._lasting.join, 10)
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
        self._duties.see_to("the registry", "iot_registry" in heard, self._reload)
        if self._schedule.is_due("subscriptions", _SUBSCRIPTIONS_INTERVAL):
            self.client.subscribe_again()
        gone = self.client.rid_of(_BROKER_SAVES_WITHIN)
        self._duties.see_to("former subscriptions", bool(gone), self._forget, gone)
        self._duties.see_to("figures", self._schedule.is_due("figures", _HEALTH_INTERVAL), self._read_figures)
        self._duties.see_to("quality", self._schedule.is_due("quality", _QUALITY_INTERVAL), self._read_quality)
        if self._sees_to_all or self._see_to_all():
            self._tick_for_all(heard, utc_now())

    def _forget(self, stale):
        """Strike out what the broker has unsubscribed from."""
        with self._leader.cursor() as cursor:
            self._subscriptions.forget(cursor, stale)
        self.client.forget(stale)

    def _read_figures(self):
        with self._leader.cursor() as cursor:
            self._http_counters = read_counters(cursor)
            self._mailboxes = read_mailboxes(cursor)

    def _read_quality(self):
        with self._leader.cursor() as cursor:
            self._quality = read_quality(cursor)

    def _see_to_all(self):
        """Take on what one bridge does for all; whether this one does.

        Without a group it is the one that leads. In a group it is whichever comes first, and the lock is its own for as
        long as its connection lasts.
        """
        self._sees_to_all = self._leader_connection.try_lock(BRIDGE_LOCK)
        if self._sees_to_all:
            for thread in self._threads:
                thread.start()
            self._lasting.start(self._lasting_workers, self.context)
        else:
            # What they hold still goes the way of this shift.
            self._lasting.use(self._lasting_workers, self.context)
            self._lasting.request_stop()
        return self._sees_to_all

    def _tick_for_all(self, heard, now):
        if self._schedule.is_due("workers", _WORKERS_INTERVAL):
            self._lasting.relieve_those_that_hang(self.context)
        is_due = self._outbox.busy or self._schedule.is_due("outbox", _OUTBOX_INTERVAL) or "iot_outbox" in heard
        self._duties.see_to("the outbox", is_due, self._outbox.publish, self._leader)
        is_due = self._schedule.is_due("replays", _OUTBOX_INTERVAL) or "iot_dead_letter" in heard
        self._duties.see_to("replays", is_due, self._replays.submit, self._leader)
        listening_since = self._listening.since(self.client.receiving.is_set() and not self.pipeline.outage, now)
        if listening_since:
            is_due = self._schedule.is_due("liveness", _LIVENESS_INTERVAL)
            self._duties.see_to("liveness", is_due, self._liveness.check, self._leader, now, listening_since)
        if self.client.connected.is_set() and self._schedule.is_due("health", _HEALTH_INTERVAL):
            self.client.publish(HEALTH_TOPIC, orjson.dumps(self._health("online")), qos=1, retain=True)

    def _receive(self, message):
        self.pipeline.put(message)

    def _reload(self):
        """Take over what changed in the registry; other topics are other subscriptions."""
        with self._leader.cursor() as cursor:
            self._devices.reload(cursor)
            rows = read_topics(cursor)
            if rows == self._topic_rows:
                return
            topics = topic_table(rows)
            filters = self._subscriptions.remember(cursor, topics.subscriptions())
        self._topic_rows = rows
        # In this order: the writer decodes meanwhile, and what has a route has to have its schema.
        self.pipeline.decoder.validator = payload_validator(rows)
        self.pipeline.decoder.topics = topics
        self.client.subscribe(filters)

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
