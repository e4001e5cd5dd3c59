"""From the inbox to the ORM: what of all that arrived is business, a milking, a status change, an alert.

Handlers are registered by kind in `iot.inbox._handlers`; this package has the loop that feeds them.
"""

from . import commands
from . import loop
from . import rollouts
from . import rounds
