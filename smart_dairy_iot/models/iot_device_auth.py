"""The users of devices at the broker, kept in line with the register.

The broker knows no transactions, so a change is told to it last, after the database has taken it; and once the
transaction has ended, however it ended, what the broker was told is compared with what the database has committed:

- committed: nothing differs, but for users whose device is gone or decommissioned. In the action they were disabled,
  which disconnects them at once and can be taken back; now that it is certain they are deleted.
- rolled back, or rolled back to a savepoint within a transaction that was committed: users that were made are deleted,
  rights and refusals are put back. Odoo repeats a request that failed to serialise: the repetition finds the broker as
  it was before.
- what cannot be put back is a password, for the old one is known to nobody but the device. Where an undone action had
  already changed it, the device's record says so, and what to do.

If the process dies between the broker's confirmation and the commit, nobody is left to compare: a user may remain at
the broker whose password nobody has. The next provisioning of that device replaces it.
"""

import hashlib
import logging
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import psycopg2

from odoo import SUPERUSER_ID, _, api, models
from odoo.exceptions import UserError
from odoo.modules.registry import Registry
from odoo.tools.sql import table_exists

from ..provisioning import BrokerError, DeviceAccess, broker_for

_logger = logging.getLogger(__name__)

TOLD = "smart_dairy_iot.told_to_broker"
PASSWORD_BYTES = 32


@dataclass(frozen=True)
class BrokerUser:
    """A device's user as it has to be at the broker."""

    access: DeviceAccess
    enabled: bool
    password_hash: str


@dataclass
class Told:
    """What the broker was told of one user in this transaction."""

    password_hash: str
    """Of the password that the broker has, as far as we know."""
    confirmed: BrokerUser = None
    """What the broker has confirmed; None while something is under way, or is left for after the transaction."""


class IotDeviceAuth(models.AbstractModel):
    _name = "iot.device.auth"
    _description = "IoT Device Authentication"

    @api.model
    def create_mqtt_user(self, device):
        """Make the device's user at the broker, or make it anew, with a new password.

        The password is returned, and kept nowhere: the database has its salted hash.

        :returns: {"username", "client_id", "password"}
        :raises UserError: when the broker cannot be told; nothing is changed then
        """
        device.ensure_one()
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        device._store_password(password)
        with self._changing() as change:
            change.create(device._broker_user(), password)
        return {"username": device.mqtt_username, "client_id": device.mqtt_client_id, "password": password}

    @api.model
    def deactivate_mqtt_user(self, device):
        """Refuse the device at the broker and disconnect it at once; the device becomes inactive."""
        device.action_deactivate()

    @api.model
    def rotate_password(self, device):
        """Give the device a new password. From now on the old one is refused, and whoever used it is disconnected.

        :returns: the new password
        """
        return self.create_mqtt_user(device)["password"]

    @api.model
    def _hash_password(self, password, salt):
        """Salted SHA-256 in hex. A secret of 256 random bits needs no slow hash."""
        return hashlib.sha256(f"{salt}{password}".encode()).hexdigest()

    # ------------------------------------------------------------------ the broker

    @contextmanager
    def _changing(self):
        """A connection to the broker, as a `_Change`, to be used after all writing to the database.

        :raises UserError: when the broker is out of reach or refuses
        """
        self.env.flush_all()  # what the database refuses, it refuses before the broker hears of it
        try:
            broker = broker_for(self.env["iot.settings"]._get_config())
            with broker:
                yield _Change(broker, self._told(broker))
        except BrokerError as error:
            raise UserError(_("%s Nothing was changed.", error)) from error

    def _told(self, broker):
        """{username: Told} of this transaction; at its end it is compared with what has been committed."""
        cr = self.env.cr
        told = cr.postrollback.data.get(TOLD)
        if told is None:
            told = {}
            for callbacks in (cr.postcommit, cr.postrollback):
                callbacks.data[TOLD] = told
                callbacks.add(partial(_settle, cr.dbname, broker, told))
        return told

    @api.model
    def _settlement(self, told):
        """What is left to tell the broker: {username: BrokerUser, or None for one to be deleted}."""
        devices = self.env["iot.device"].with_context(active_test=False).search([("mqtt_username", "in", list(told))])
        committed = {device.mqtt_username: (device, device._broker_user()) for device in devices}
        left = {}
        for username, said in told.items():
            device, user = committed.get(username, (None, None))
            if said.confirmed is None or said.confirmed != user:
                left[username] = user
                if user and user.password_hash != said.password_hash:
                    device._note_lost_password()
        return left


class _Change:
    """The commands to a connected broker, each remembered until the transaction has ended."""

    def __init__(self, broker, told):
        self._broker = broker
        self._told = told

    def create(self, user, password):
        """Make the user with this password, in place of any that there is."""
        said = self._begin(user)
        said.password_hash = user.password_hash
        self._broker.create(user.access, password)
        said.confirmed = user

    def renew_access(self, user):
        """Replace all that the user may do."""
        said = self._begin(user)
        self._broker.set_acl(user.access)
        said.confirmed = user

    def follow(self, before, after):
        """Turn the user `before` into `after`, of the same name and password.

        With `after` None it is only disabled, which can be taken back; it is deleted once the transaction is committed.
        """
        said = self._begin(before)
        username = before.access.username
        if before.enabled and not (after and after.enabled):
            self._broker.disable(username)
        if after and after.access != before.access:
            self._broker.set_acl(after.access)
        if after and after.enabled and not before.enabled:
            self._broker.enable(username)
        said.confirmed = after

    def _begin(self, user):
        said = self._told.setdefault(user.access.username, Told(user.password_hash))
        said.confirmed = None
        return said


def _settle(db_name, broker, told):
    """Bring the broker in line with what the database has committed, see the module's text.

    It runs when the transaction has ended: an error can no longer be anybody's answer, so it goes to the log, with
    what to do about it.
    """
    try:
        with Registry(db_name).cursor() as cr:
            if table_exists(cr, "iot_device"):
                # Superuser: the user's own rights were checked by the action; here its outcome is only carried through.
                left = api.Environment(cr, SUPERUSER_ID, {})["iot.device.auth"]._settlement(told)
            else:
                left = dict.fromkeys(told)  # the addon has been uninstalled, and all its devices with it
        if left:
            _carry_out(broker, left)
    except (BrokerError, psycopg2.Error) as error:
        _logger.error(
            "The broker's users %s may differ from the register: %s Issue new passwords to those of them that cannot"
            " connect, and deactivate again those that should not.",
            ", ".join(sorted(told)),
            error,
        )


def _carry_out(broker, left):
    with broker:
        for username, user in left.items():
            if user is None:
                broker.delete(username)
                continue
            broker.set_acl(user.access)
            if user.enabled:
                broker.enable(username)
            else:
                broker.disable(username)
