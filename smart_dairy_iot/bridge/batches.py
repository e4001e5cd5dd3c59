"""Decodes and stores messages in batches, the same way wherever they came from: over the broker or over HTTP."""

from dataclasses import replace

import psycopg2
from psycopg2.errors import ConfigurationLimitExceeded, ProgramLimitExceeded, StatementTooComplex

from ..telemetry.partitions import make_room
from .messages import Accepted, Refused

# What the database refuses because of the data, however often it is tried. All its other errors pass.
_REFUSED_DATA = (
    psycopg2.DataError,
    psycopg2.IntegrityError,
    ProgramLimitExceeded,
    StatementTooComplex,
    # TimescaleDB's, of late readings: to find a duplicate in a compressed week it may decompress no more than
    # `timescaledb.max_tuples_decompressed_per_dml_transaction` rows at once (100,000). A smaller batch needs less.
    ConfigurationLimitExceeded,
    # TimescaleDB's, of a reading from a week that is frozen.
    psycopg2.NotSupportedError,
)


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
                if _is_passing(error):
                    raise
                connection.rollback()
                if make_room(connection, error, [item.timestamp for item in results if isinstance(item, Accepted)]):
                    continue
                if len(results) > 1:
                    groups[:1] = _halves(results)
                    continue
                # No message may end the writer: whatever is wrong with one, it is kept, with the error.
                results, outcomes = self._set_aside(connection, _poisonous(results[0], error))
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

    def _set_aside(self, connection, refused):
        """Commit a dead letter, reduced to what the database takes of it.

        :return: (results, outcomes), both of one
        :raises psycopg2.Error: where the database is away, or takes no dead letter at all
        """
        for form in (refused, _without_device(refused), _without_payload(refused)):
            try:
                return [refused], self._commit(connection, [form])
            except Exception as error:
                if _is_passing(error):
                    raise
                connection.rollback()
                refusal = error
        raise refusal

    def _commit(self, connection, results):
        """:return: list of outcomes, in the order of the results"""
        with connection.cursor() as cursor:
            outcomes = self._store.write_batch(cursor, results)
        connection.commit()
        return outcomes


def _halves(results):
    messages = [result.message for result in results]
    return [messages[: len(messages) // 2], messages[len(messages) // 2 :]]


def _is_passing(error):
    """Whether the same batch may be stored another time."""
    return isinstance(error, psycopg2.Error) and not isinstance(error, _REFUSED_DATA)


def _poisonous(result, error):
    return Refused(result.message, "database", _first_line(error), getattr(result, "device", None))


def _without_device(refused):
    """A dead letter in words that any database can hold, and of no device: that may have been deleted this moment."""
    message = replace(refused.message, topic=_plain(refused.message.topic))
    return Refused(message, refused.reason, _plain(refused.detail))


def _without_payload(refused):
    bare = _without_device(refused)
    detail = f"{bare.detail}; the payload of {len(bare.message.payload)} bytes is not kept"
    return replace(bare, message=replace(bare.message, payload=b""), detail=detail)


def _plain(text):
    return text.encode("ascii", "backslashreplace").decode()


def _first_line(error):
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
