"""The writer: takes messages in batches, decodes and stores them, commits, and only then acknowledges.

Nothing it was given is lost. While the database is away a batch is kept and tried again; the broker then holds the
rest, since it delivers no more than the receive maximum unacknowledged. What the database refuses is bisected out of
its batch and becomes a dead letter, and the others are stored.
"""

import logging
import queue
import random
import threading
import time
from concurrent.futures import Future

import orjson
import psycopg2

from .messages import Counters, Message, Refused
from .timestamps import utc_now

_logger = logging.getLogger(__name__)

# What the database refuses because of the data, however often it is tried. All its other errors pass.
_REFUSED_DATA = (psycopg2.DataError, psycopg2.IntegrityError)
_FIRST_RETRY, _LONGEST_RETRY = 0.1, 5.0


class Pipeline:
    """Receive -> decode -> store -> acknowledge.

    :param connect: callable that opens a psycopg2 connection (READ COMMITTED)
    :param decoder: `Decoder`
    :param store: `Store`
    :param acknowledge: callable(list of committed `Message`s)
    :param batch_size: most messages in a batch
    :param flush_interval: seconds for which an incomplete batch waits for more
    """

    def __init__(self, connect, decoder, store, acknowledge, batch_size, flush_interval, clock=utc_now):
        self._connect = connect
        self.decoder = decoder
        self._store = store
        self._acknowledge = acknowledge
        self._batch_size = batch_size
        self._flush_interval = flush_interval
        self._clock = clock
        self._queue = queue.SimpleQueue()
        self._connection = None
        self._stopping = threading.Event()
        self.counters = Counters()
        self.outage = None

    # -- giving it messages: never blocks ------------------------------------------------------------------

    def put(self, message):
        """Hand over a received message. The broker's receive maximum bounds how many wait here."""
        self._queue.put(message)

    def submit(self, topic, payload):
        """Hand over a message made in this process, as if its device had published it.

        :param payload: a dict that JSON can hold
        :return: a Future of the outcome, `stored`, `duplicate` or `dead_letter`, done once it is committed
        """
        message = Message(topic, orjson.dumps(payload), self._clock(), future=Future())
        self._queue.put(message)
        return message.future

    @property
    def waiting(self):
        return self._queue.qsize()

    # -- the writer thread ---------------------------------------------------------------------------------

    def run(self):
        """Write batches until `stop`; what is unwritten then was not acknowledged, and the broker has it still."""
        try:
            while not self._stopping.is_set():
                batch = self._collect()
                if batch:
                    self._write_until_stored(batch)
        finally:
            self._disconnect()
            self._abandon_queue()

    def stop(self):
        self._stopping.set()

    def _collect(self):
        try:
            batch = [self._queue.get(timeout=0.5)]
        except queue.Empty:
            return []
        deadline = time.monotonic() + self._flush_interval
        while len(batch) < self._batch_size:
            try:
                batch.append(self._queue.get(timeout=max(0, deadline - time.monotonic())))
            except queue.Empty:
                break
        return batch

    def _abandon_queue(self):
        while True:
            try:
                message = self._queue.get_nowait()
            except queue.Empty:
                return
            if message.future:
                message.future.cancel()

    def _write_until_stored(self, batch):
        groups, pause = [batch], _FIRST_RETRY
        while groups and not self._stopping.is_set():
            try:
                self._write(groups)
            except psycopg2.Error as error:
                self._disconnect()
                self._report_outage(error)
                # Jitter, so that several bridges do not knock in step.
                self._stopping.wait(pause * random.uniform(0.5, 1.5))
                pause = min(pause * 2, _LONGEST_RETRY)
            else:
                self._report_recovery()
        for message in (message for group in groups for message in group if message.future):
            message.future.cancel()

    def _write(self, groups):
        """Store the groups one after the other, taking each off the list once it is committed.

        A group with something in it that cannot be stored is replaced by its halves, down to the one message.

        :raises psycopg2.Error: where the database is away or cannot take anything at present
        """
        while groups:
            group = groups[0]
            results = self._decode(group)
            try:
                self._commit(results)
            except psycopg2.Error as error:
                if not isinstance(error, _REFUSED_DATA):
                    raise
                groups[:1] = self._divide(results, error)
            except Exception as error:  # noqa: BLE001 - no message may end the writer; this one is kept, with the error
                groups[:1] = self._divide(results, error)
            else:
                del groups[0]

    def _divide(self, results, error):
        """The halves of a group; of a single message nothing is left: it becomes a dead letter."""
        self._connection.rollback()
        if len(results) == 1:
            self._commit([_poisonous(results[0], error)])
            return []
        messages = [result.message for result in results]
        return [messages[: len(messages) // 2], messages[len(messages) // 2 :]]

    def _decode(self, batch):
        doubtful = self.decoder.doubtful(batch)
        if doubtful:
            with self._cursor() as cursor:
                self.decoder.devices.refresh(cursor, doubtful)
        return [self.decoder.decode(message) for message in batch]

    def _commit(self, results):
        with self._cursor() as cursor:
            outcomes = self._store.write_batch(cursor, results)
        self._connection.commit()
        self.counters.add(outcomes, [result.reason for result in results if isinstance(result, Refused)])
        messages = [result.message for result in results]
        self._acknowledge(messages)
        for message, outcome in zip(messages, outcomes, strict=True):
            if message.future:
                message.future.set_result(outcome)

    # -- connection ----------------------------------------------------------------------------------------

    def _cursor(self):
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection.cursor()

    def _disconnect(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _report_outage(self, error):
        if self.outage is None:
            self.outage = str(error).strip() or type(error).__name__
            _logger.warning("Telemetry cannot be written, the bridge keeps trying: %s", self.outage)

    def _report_recovery(self):
        if self.outage is not None:
            self.outage = None
            _logger.info("Telemetry is written again")


def _poisonous(result, error):
    detail = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return Refused(result.message, "database", detail, getattr(result, "device", None))
