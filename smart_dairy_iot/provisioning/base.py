"""The interface between the device register and a broker."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime

CONNECTION_EFFECTS = ("none", "refresh", "disconnect")
"""What a change asks for the device's open connection, the mildest first: nothing, that the broker forgets which rights
it has looked up for it, or that it ends."""


class BrokerError(Exception):
    """The broker could not be reached, or refused. Its text is one sentence that a user can act on."""


class BrokerUnreachable(BrokerError):
    """The broker, or a part of it, is away or silent: not this change is at fault, and any other would fail too."""


class BrokerBusy(BrokerUnreachable):
    """Another is telling the broker at this moment. He looks for what else there is to tell before he leaves."""


@dataclass(frozen=True)
class PasswordHash:
    """What is kept of a password: SHA-256 of salt and password, in hex.

    A secret of 256 random bits needs no slow hash, and ten thousand devices may connect at once.
    """

    digest: str
    salt: str

    @classmethod
    def of(cls, password, salt=None):
        """The hash of a password: with its salt, to compare it with one that is kept, or with a new one."""
        salt = salt or secrets.token_hex(16)
        return cls(hashlib.sha256(f"{salt}{password}".encode()).hexdigest(), salt)


@dataclass(frozen=True)
class DeviceAccess:
    """Who a device is at the broker, and all it may do there.

    `publish` and `subscribe` are literal topics, no filters: what is not in them is refused.
    """

    username: str
    client_id: str
    publish: tuple = ()
    subscribe: tuple = ()


@dataclass(frozen=True)
class BrokerUser:
    """A device's user as it has to be at the broker.

    `password` is None for a device that identifies itself by a certificate alone. Until `previous_until` (naive UTC)
    the previous password is good too, on brokers that can have two.
    """

    access: DeviceAccess
    enabled: bool
    password: PasswordHash | None = None
    previous_password: PasswordHash | None = None
    previous_until: datetime | None = None


@dataclass(frozen=True)
class Change:
    """One user is to be as `after` says, or to be no more where that is None.

    `before` is what the broker was last told, None where that is not known: then the broker is told everything.
    `password` is the plain one of a user that is to be made anew; only brokers that do not take hashes want it.
    `effect` is one of CONNECTION_EFFECTS; a broker that does more by itself may ignore it.
    """

    username: str
    client_id: str
    after: BrokerUser | None
    before: BrokerUser | None = None
    password: str | None = field(default=None, repr=False)
    effect: str = "disconnect"


@dataclass(frozen=True)
class FoundUser:
    """A user as the broker has it; `others` tells in words what else it may do (filters, denials, groups, superuser).

    `password` is None where the broker does not tell it. `previous_password` is told only while it is good, which is
    until `previous_until` (naive UTC).
    """

    username: str
    client_id: str | None
    enabled: bool
    publish: frozenset = frozenset()
    subscribe: frozenset = frozenset()
    password: PasswordHash | None = None
    others: tuple = ()
    previous_password: PasswordHash | None = None
    previous_until: datetime | None = None


class Broker:
    """The users of devices at one broker.

    Used as a context manager, that opens and closes the connection; a method that fails raises `BrokerError`
    (`BrokerUnreachable` where the line is at fault).
    All methods may be repeated: the state they leave behind is the same.
    """

    takes_hashes: bool
    """Whether a salted hash is enough to make a user. Such a broker is told after the database has committed, and again
    until it has taken it; any other needs the plain password, in the request that issues it."""

    most_changes: int | None = None
    """How many users one action may change at most; None for any number."""

    def __enter__(self):
        raise NotImplementedError

    def __exit__(self, *exc_info):
        raise NotImplementedError

    def apply(self, changes):
        """Carry the changes out, those that take something away first.

        :param changes: list of `Change`, one for a user
        :return: iterator that yields each change once the broker has confirmed it
        """
        raise NotImplementedError

    def users(self):
        """All users that the broker knows, {username: FoundUser}."""
        raise NotImplementedError


def effect_on_connection(before, after):
    """What the open connection of the user `before` must suffer for it to be no more than `after`."""
    if before is None or before == after:
        return "none"
    if after is None or not after.enabled:
        return "disconnect"
    if after.password != before.password and after.previous_password != before.password:
        return "disconnect"
    # A subscription outlives the right to it.
    if set(before.access.subscribe) - set(after.access.subscribe) or before.access.client_id != after.access.client_id:
        return "disconnect"
    return "refresh" if before.access != after.access else "none"
