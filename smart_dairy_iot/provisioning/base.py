"""The interface between the device register and a broker."""

from dataclasses import dataclass, field


class BrokerError(Exception):
    """The broker could not be reached, or refused. Its text is one sentence that a user can act on."""


@dataclass(frozen=True)
class DeviceAccess:
    """Who a device is at the broker, and all it may do there.

    `publish` and `subscribe` are literal topics, no filters: what is not in them is refused.
    """

    username: str
    client_id: str
    publish: tuple = field(default_factory=tuple)
    subscribe: tuple = field(default_factory=tuple)


class Broker:
    """The users of devices at one broker. Every method returns once the broker has confirmed.

    Used as a context manager, that opens and closes the connection; a method that fails raises `BrokerError`.
    All methods may be repeated: the state they leave behind is the same.
    """

    def __enter__(self):
        raise NotImplementedError

    def __exit__(self, *exc_info):
        raise NotImplementedError

    def create(self, access, password):
        """Make the user, bound to its client id, with this access; one of that name is replaced and disconnected."""
        raise NotImplementedError

    def enable(self, username):
        """Let the user connect again."""
        raise NotImplementedError

    def disable(self, username):
        """Refuse the user, and disconnect it at once."""
        raise NotImplementedError

    def set_acl(self, access):
        """Replace all the user may do. A connected device is disconnected, so that no old subscription lives on."""
        raise NotImplementedError

    def delete(self, username):
        """Remove the user and its rights, and disconnect it at once. Nothing happens if there is no such user."""
        raise NotImplementedError
