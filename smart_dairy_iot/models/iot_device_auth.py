"""The users of devices at the broker, kept in line with the register.

A broker that takes salted hashes (EMQX) is told after the commit, through `iot.provisioning.entry`, and again until it
has taken it. A broker that needs the plain password (Mosquitto) can be told only in the request that issues it. It
knows no transactions, so a change is told to it last, after the database has taken it; and once the transaction has
ended, however it ended, what the broker was told is compared with what the database has committed:

- committed: nothing differs, but for users whose device is gone or decommissioned. In the action they were disabled,
  which disconnects them at once and can be taken back; now that it is certain they are deleted.
- rolled back, or rolled back to a savepoint within a transaction that was committed: users that were made are deleted,
  rights and refusals are put back. Odoo repeats a request that failed to serialise: the repetition finds the broker as
  it was before.
- what cannot be put back is a password, for the old one is known to nobody but the device. Where an undone action had
  already changed it, the device's record says so, and what to do.

Where the broker is away at that moment, what is left to tell it becomes entries of the same outbox. If the process dies
between the broker's confirmation and the commit, nobody is left to compare: a user may remain at the broker whose
password nobody has. The next provisioning of that device replaces it, and the reconciliation finds it before that.
"""

import logging
import secrets
from dataclasses import dataclass, replace
from functools import partial

import psycopg2

from odoo import SUPERUSER_ID, _, api, fields, models
from odoo.exceptions import UserError
from odoo.modules.registry import Registry
from odoo.tools.sql import table_exists

from ..provisioning import BrokerError, BrokerUser, Change, PasswordHash, broker_for, effect_on_connection
from .iot_provisioning_entry import write_alone

_logger = logging.getLogger(__name__)

TOLD = "smart_dairy_iot.told_to_broker"
PASSWORD_BYTES = 32


@dataclass
class Told:
    """What the broker was told of one user in this transaction."""

    password: PasswordHash | None
    """Of the password that the broker has, as far as we know."""
    confirmed: BrokerUser | None = None
    """What the broker has confirmed; None while something is under way, or is left for after the transaction."""


class IotDeviceAuth(models.AbstractModel):
    _name = "iot.device.auth"
    _description = "IoT Device Authentication"

    @api.model
    def create_mqtt_user(self, device):
        """Make the device's user at the broker, or make it anew, with a new password.

        The password is returned, and kept nowhere: the database has its salted hash.

        :returns: {"username", "client_id", "password"}
        :raises UserError: when the broker has to be told at once and cannot be; nothing is changed then
        """
        device.ensure_one()
        (credentials,) = self._issue_passwords(device)
        return {name: credentials[name] for name in ("username", "client_id", "password")}

    @api.model
    def deactivate_mqtt_user(self, device):
        """Refuse the device at the broker and disconnect it at once; the device becomes inactive."""
        device.action_deactivate()

    @api.model
    def rotate_password(self, device):
        """Give the device a new password.

        Where the broker can have two, the old one stays good for the hours of grace that the settings give; where it
        cannot, whoever uses the old one is disconnected and refused from now on.

        :returns: the new password
        """
        device.ensure_one()
        (credentials,) = self._issue_passwords(device, grace=True)
        return credentials["password"]

    @api.model
    def _issue_passwords(self, devices, grace=False):
        """Make the devices' users, or make them anew, each with a new password.

        :param grace: whether the old passwords stay good for a while, on a broker that can have two
        :returns: [{"device", "username", "client_id", "password"}]
        """
        if not devices:
            return []
        before = devices._broker_users()
        passwords = {device: _new_password() for device in devices}
        devices._store_passwords(passwords, self._previous_until() if grace else None)
        after = devices._broker_users()
        self._tell(
            Change(
                username=device.mqtt_username,
                client_id=device.mqtt_client_id,
                before=before[device.id],
                after=after[device.id],
                password=password,
                effect=effect_on_connection(before[device.id], after[device.id]),
            )
            for device, password in passwords.items()
        )
        return [
            {
                "device": device,
                "username": device.mqtt_username,
                "client_id": device.mqtt_client_id,
                "password": password,
            }
            for device, password in passwords.items()
        ]

    def _previous_until(self):
        """Until when a password that is replaced now stays good (naive UTC), or None where the broker has but one."""
        config = self.env["iot.settings"]._get_config()
        if not self._broker().takes_hashes or config.password_grace_hours <= 0:
            return None
        return fields.Datetime.add(fields.Datetime.now(), hours=config.password_grace_hours)

    # ------------------------------------------------------------------ the broker

    @api.model
    def _broker(self):
        """The broker of the settings, not yet connected."""
        try:
            return broker_for(self.env["iot.settings"]._get_config())
        except BrokerError as error:
            raise UserError(str(error)) from error

    @api.model
    def _tell(self, changes, at_once=False):
        """Carry changes to the broker: at once, or after the commit where a hash is enough for it.

        :param changes: iterable of `Change`, one for a user
        :param at_once: also where a hash is enough, and while modules are loaded
        :raises UserError: when it has to be told at once, and is out of reach or refuses
        """
        changes = list(changes)
        if not changes:
            return
        self.env.flush_all()  # what the database refuses, it refuses before the broker hears of it
        broker = self._broker()
        # Nobody waits for an answer while modules are loaded, and an upgrade must not fail for a broker that is away.
        unattended = not self.env.registry.ready and not any(change.password for change in changes)
        if not at_once and (unattended or broker.takes_hashes):
            self.env["iot.provisioning.entry"]._add(changes)
        else:
            self._tell_now(broker, changes)

    def _tell_now(self, broker, changes):
        if broker.most_changes and len(changes) > broker.most_changes:
            raise UserError(
                _(
                    "This concerns %(count)s devices at the broker, which takes %(most)s in one action: select fewer.",
                    count=len(changes),
                    most=broker.most_changes,
                )
            )
        write_alone(self.env.cr)
        told = self._told(broker)
        for change in changes:
            said = told.setdefault(change.username, Told(change.before and change.before.password))
            said.confirmed = None
            if change.password:
                said.password = change.after.password
        try:
            with broker:
                for change in broker.apply([_revocable(change) for change in changes]):
                    told[change.username].confirmed = change.after
        except BrokerError as error:
            raise UserError(_("%s Nothing was changed.", error)) from error
        self.env["iot.provisioning.entry"]._close(told)

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
        """What is left to tell the broker, as a list of `Change`."""
        registered = self.env["iot.device"]._registered_users(told)
        left = []
        for username, said in told.items():
            device, user = registered.get(username, (self.env["iot.device"], None))
            if said.confirmed is not None and said.confirmed == user:
                continue
            client_id = device.mqtt_client_id or (said.confirmed and said.confirmed.access.client_id) or ""
            left.append(Change(username, client_id, user))
            if user and user.password != said.password:
                device._note_lost_password()
        return left


def _new_password():
    # Spreadsheet programs take a cell that begins with "-" for a formula; leaving those out costs 0.02 of 256 bits.
    while (password := secrets.token_urlsafe(PASSWORD_BYTES)).startswith("-"):
        pass
    return password


def _revocable(change):
    """The change as it is told within the transaction: a user is only disabled, which can be taken back, and deleted
    once the transaction is committed."""
    if change.after is None and change.before is not None:
        return replace(change, after=replace(change.before, enabled=False))
    return change


def _settle(db_name, broker, told):
    """Bring the broker in line with what the database has committed, see the module's text.

    It runs when the transaction has ended: an error can no longer be anybody's answer. What the broker cannot be told
    now goes to the outbox, where it is seen and tried again.
    """
    # Nobody's who is registered, as after the addon was uninstalled. Where the register cannot be read now, whoever
    # applies the entries that are made of these reads it later.
    left = [Change(username, "", None) for username in told]
    try:
        installed = _is_installed(db_name)
        with Registry(db_name).cursor() as cr:
            env = None
            if installed:
                write_alone(cr)
                # Superuser: the user's own rights were checked by the action; here its outcome is only carried through.
                env = api.Environment(cr, SUPERUSER_ID, {})
                left = env["iot.device.auth"]._settlement(told)
            try:
                _apply(broker, left)
            except BrokerError as error:
                if env is None:
                    raise
                env["iot.provisioning.entry"]._add(left, error=str(error))
    except (BrokerError, psycopg2.Error) as error:
        _postpone(db_name, left, told, error)


def _is_installed(db_name):
    # In a transaction of its own: one that has looked at anything does not see what others commit until it is its turn.
    with Registry(db_name).cursor() as cr:
        return table_exists(cr, "iot_device")


def _apply(broker, changes):
    if changes:
        with broker:
            list(broker.apply(changes))


def _postpone(db_name, left, told, error):
    try:
        with Registry(db_name).cursor() as cr:
            # Superuser: as in _settle.
            entries = api.Environment(cr, SUPERUSER_ID, {})["iot.provisioning.entry"]
            entries._add(left, error=str(error))
    except (KeyError, psycopg2.Error) as second:
        _logger.error(
            "The broker's users %s may differ from the register: %s And that could not be noted: %s The reconciliation"
            " shows those that do.",
            ", ".join(sorted(told)),
            error,
            second,
        )
