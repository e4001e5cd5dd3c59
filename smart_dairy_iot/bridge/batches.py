"""Decodes and stores messages in batches, the same way wherever they came from: over the broker or over HTTP."""

import psycopg2
from psycopg2.errors import ProgramLimitExceeded, StatementTooComplex

from ..telemetry.partitions import make_room
from .messages import Accepted, Refused

# What the database refuses because of the data, however often it is tried. All its other errors pass.
_REFUSED_DATA = (psycopg2.DataError, psycopg2.IntegrityError, ProgramLimitExceeded, StatementTooComplex)


class BatchWriter:
    """:param decoder: `Decoder`
    :param store: `Store`
    """

    def __init__(self, decoder, store):
        self.decoder = decoder
        self._store = store

    def write(self, connection, groups):
        """Store the groups one after the other, each in a transaction of its own.

        A group with something in it that cannot be stored is replaced by its halves, down to the one message, which
        becomes a dead letter. A group is taken off the list once it is committed: what is left there after an error is
        not stored yet.

        :param connection: a psycopg2 connection at READ COMMITTED
        :param groups: list of lists of `Message`
        :return: yields (results, outcomes) of each committed group, in the order of its messages
        :raises psycopg2.Error: where the database is away or cannot take anything at present
        """
        while groups:
            results = self._decode(connection, groups[0])
            try:
                outcomes = self._commit(connection, results)
            except Exception as error:
                # No message may end the writer: whatever is wrong with one, it is kept, with the error.
                if isinstance(error, psycopg2.Error) and not isinstance(error, _REFUSED_DATA):
                    raise
                connection.rollback()
                if make_room(connection, error, [item.timestamp for item in results if isinstance(item, Accepted)]):
                    continue
                if len(results) > 1:
                    groups[:1] = _halves(results)
                    continue
                results = [_poisonous(results[0], error)]
                outcomes = self._commit(connection, results)
            # Committed: what goes wrong from here on is no reason to write the group again.
            del groups[0]
            yield results, outcomes

    def _decode(self, connection, group):
        doubtful = self.decoder.doubtful(group)
        if doubtful:
            with connection.cursor() as cursor:
                self.decoder.devices.refresh(cursor, doubtful)
        return [self._decode_one(message) for message in group]

    def _decode_one(self, message):
        try:
            return self.decoder.decode(message)
        except Exception as error:  # noqa: BLE001 - no message may end the writer; this one is kept, with the error
            return Refused(message, "schema", f"it cannot be read: {error!r}")

    def _commit(self, connection, results):
        """:return: list of outcomes, in the order of the results"""
        with connection.cursor() as cursor:
            outcomes = self._store.write_batch(cursor, results)
        connection.commit()
        return outcomes


def _halves(results):
    messages = [result.message for result in results]
    return [messages[: len(messages) // 2], messages[len(messages) // 2 :]]


def _poisonous(result, error):
    detail = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return Refused(result.message, "database", detail, getattr(result, "device", None))
