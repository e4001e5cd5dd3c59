"""What the tests of the bridge's parts share."""


class Connection:
    """A connection to a database that takes everything, and holds nothing."""

    closed = False

    def cursor(self):
        return self

    __enter__ = cursor

    def __exit__(self, *exc_info):
        return False

    def commit(self):
        return None

    rollback = close = commit
