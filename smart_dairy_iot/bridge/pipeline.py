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

from .batches import BatchWriter
from .messages import OWN, Counters, Message
from .timestamps import utc_now

_logger = logging.getLogger(__name__)

_FIRST_RETRY, _LONGEST_RETRY = 0.1, 5.0
# PostgreSQL takes no statement of a gigabyte, as a full batch of large messages would be.
_MOST_BYTES = 16 * 2**20


class Pipeline:
    """Receive -> decode -> store -> acknowledge.

    :param connect: callable that opens a psycopg2 connection (READ COMMITTED)
    :param decoder: `Decoder`
    :param store: `Store`
    :param acknowledge: callable(list of committed `Message`s)
    :param batch_size: most messages in a batch
    :param flush_interval: seconds from the first message of an incomplete batch, or from the batch before where that
        one came while it was written, to the end of the batch
    :param most_waiting: with so many waiting, one of QoS 0, which no broker holds back, is dropped and counted
    :param seconds: callable that gives seconds, whatever is done to the time of day
    """

    def __init__(
        self,
        connect,
        decoder,
        store,
        acknowledge,
        batch_size,
        flush_interval,
        most_waiting,
        clock=utc_now,
        seconds=time.monotonic,
    ):
        self._connect = connect
        self._batches = BatchWriter(decoder, store)
        self._acknowledge = acknowledge
        self._batch_size = batch_size
        self._flush_interval = flush_interval
        self._most_waiting = most_waiting
        self._clock = clock
        self._seconds = seconds
        self._queue = queue.SimpleQueue()
        self._collected_at = 0.0
        self._connection = None
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self.counters = Counters()
        self.outage = None

    # -- giving it messages: never blocks ------------------------------------------------------------------

    def put(self, message):
        """Hand over a received message. The broker's receive maximum bounds how many of QoS 1 wait here."""
        if not message.qos and message.future is None and self.waiting >= self._most_waiting:
            self.counters.dropped += 1
            return
        self._queue.put(message)
        if self._ended.is_set():
            self._abandon_queue()

    def submit(self, topic, payload):
        """Hand over a message made in this process, as if its device had published it.

        :param payload: a dict that JSON can hold
        :return: a Future of the outcome, `stored`, `duplicate` or `dead_letter`, done once it is committed
        """
        message = Message(topic, orjson.dumps(payload), self._clock(), future=Future(), transport=OWN)
        self.put(message)
        return message.future

    @property
    def decoder(self):
        """The `Decoder` that the writer uses."""
        return self._batches.decoder

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
            # Whoever puts a message from here on abandons it himself: nobody must wait for it for ever.
            self._ended.set()
            self._abandon_queue()

    def stop(self):
        self._stopping.set()

    def _collect(self):
        has_waited = not self._queue.empty()
        try:
            batch = [self._queue.get(timeout=0.5)]
        except queue.Empty:
            self._collected_at = self._seconds()
            return []
        # What came while the batch before was written has waited that long already.
        begin = self._collected_at if has_waited else self._seconds()
        deadline, size = begin + self._flush_interval, len(batch[0].payload)
        while len(batch) < self._batch_size and size < _MOST_BYTES:
            try:
                batch.append(self._queue.get(timeout=max(0, deadline - self._seconds())))
            except queue.Empty:
                break
            size += len(batch[-1].payload)
        self._collected_at = self._seconds()
        return batch

    def _abandon_queue(self):
        while True:
            try:
                message = self._queue.get_nowait()
            except queue.Empty:
                return
            _give_up(message)

    def _write_until_stored(self, batch):
        groups, pause = [batch], _FIRST_RETRY
        try:
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
        finally:
            for message in (message for group in groups for message in group):
                _give_up(message)

    def _write(self, groups):
        """Store the groups; each is taken off the list, and settled, once it is committed.

        :raises psycopg2.Error: where the database is away or cannot take anything at present
        """
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        for results, outcomes in self._batches.write(self._connection, groups):
            self._settle(results, outcomes)

    def _settle(self, results, outcomes):
        """Tell everybody who is to know what has been committed."""
        self.counters.add(outcomes)
        messages = [result.message for result in results]
        for message, outcome in zip(messages, outcomes, strict=True):
            # Whoever submitted it may have lost interest and cancelled.
            if message.future and message.future.set_running_or_notify_cancel():
                message.future.set_result(outcome)
        try:
            self._acknowledge(messages)
        except OSError as error:
            # The connection broke in this moment: the broker delivers again, and the store finds duplicates.
            _logger.info("Stored messages could not be acknowledged: %s", error)

    # -- connection ----------------------------------------------------------------------------------------

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


def _give_up(message):
    if message.future:
        message.future.cancel()
