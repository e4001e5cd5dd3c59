"""What the leader does in the database every now and then, beside holding its lead: none of it may hold up the rest.

Somebody may lock a table for minutes: `VACUUM FULL`, an upgrade that adds a column, a migration of one's own. The
leader's connection waits for a lock no longer than `LEADER_LOCK_TIMEOUT`; the duty is then put off to the next tick,
and the beat, the bridge's messages and its other duties go on.
"""

import logging
from collections import Counter

from psycopg2.errors import LockNotAvailable

_logger = logging.getLogger(__name__)

# A lock that is held for a moment is not worth a line in the log: that begins with so many tries in a row.
_TRIES_UNTOLD = 3


class Duties:
    """:param beat: callable; tells the database that the leader is there, see `LeaderConnection.beat`"""

    def __init__(self, beat):
        self._beat = beat
        self._put_off = Counter()

    def see_to(self, name, is_due, duty, *arguments):
        """Do a duty if it is due, or was put off when it was. It may be done in part twice.

        :param name: what is done, for the log
        :param duty: callable, given the arguments
        :raises psycopg2.Error: where anything but a lock is in the way
        """
        if not is_due and name not in self._put_off:
            return
        try:
            duty(*arguments)
        except LockNotAvailable as error:
            self._put_off[name] += 1
            if self._put_off[name] == _TRIES_UNTOLD:
                _logger.warning("Somebody locks a table for long, and it waits for that: %s (%s)", name, _brief(error))
            self._beat()
        else:
            if self._put_off.pop(name, 0) >= _TRIES_UNTOLD:
                _logger.info("The table is no longer locked, and it goes on: %s", name)


def _brief(error):
    """The statement that waited says which table it was."""
    return " ".join(str(error).split())[:200]
