"""A stand-in for a connection of the platform's own: what it does happens in the test's transaction.

A connection of its own would not see what a test has made. What the statements do at READ COMMITTED, beside others,
is tested in tests/integration/test_ingestion.py.
"""


class SharedConnection:
    """Begins and ends its transactions as savepoints.

    :param cursor: the test's
    """

    def __init__(self, cursor):
        self._cursor = cursor
        self._cursor.execute("SAVEPOINT shared_connection")

    def cursor(self):
        return _SharedCursor(self._cursor)

    def commit(self):
        self._cursor.execute("RELEASE SAVEPOINT shared_connection")
        self._cursor.execute("SAVEPOINT shared_connection")

    def rollback(self):
        self._cursor.execute("ROLLBACK TO SAVEPOINT shared_connection")

    def close(self):
        self.rollback()
        self._cursor.execute("RELEASE SAVEPOINT shared_connection")


class _SharedCursor:
    """The test's cursor, which stays open after its `with` block."""

    def __init__(self, cursor):
        self._cursor = cursor

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        return False

    def __getattr__(self, name):
        return getattr(self._cursor, name)
