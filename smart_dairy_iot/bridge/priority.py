"""A process for which nobody waits gives way to those for which somebody does.

The bridge has as much to do as the devices say; what it has not done yet the broker keeps. A user who opens a form on
the same machine waits for the web server.
"""

import logging
import os
from pathlib import Path

_logger = logging.getLogger(__name__)

NICENESS = 5
"""A third of an ordinary process' share of a core that both want; all that is left where the others want none."""
# Linux shares cores out to sessions first, and `nice` counts but within one: see sched(7), "The autogroup feature".
_AUTOGROUP = Path("/proc/self/autogroup")


def give_way():
    """Lower the priority of this process to `NICENESS`, unless it is as low already."""
    missing = NICENESS - os.nice(0)
    if missing > 0:
        os.nice(missing)
    # Of a session that others are in, say a terminal's, they would be slowed down, too.
    if os.getsid(0) == os.getpid():
        _lower_session()


def _lower_session():
    try:
        _AUTOGROUP.write_text(str(NICENESS))
    except FileNotFoundError:
        pass  # A system without them: there `nice` is enough.
    except OSError as error:
        # A container may forbid it, and has a share of its own.
        _logger.info("The priority of the session stays as it is: %s", error)
