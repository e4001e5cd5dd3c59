"""The outbox of provisioning: users whom the broker has yet to be told about.

An entry names a user, not what it shall be: whoever applies it takes that from the register, as it is committed then.
So entries can be applied late, twice and in any order, and the broker ends up where the register is. They hold no
password; the register has its salted hash.

Entries are applied right after the commit of the transaction that wrote them, and by a scheduled action until the
broker has taken them. A broker that takes hashes (EMQX) is told everything in this way, one that does not (Mosquitto)
only what it could not be told when it was due.
"""

import logging
import random
from datetime import timedelta
from functools import partial

import psycopg2

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import UserError
from odoo.modules.registry import Registry

from ..provisioning import CONNECTION_EFFECTS, BrokerBusy, BrokerError, BrokerUnreachable, Change, broker_for

_logger = logging.getLogger(__name__)

APPLIED_AFTER_COMMIT = "smart_dairy_iot.provisioning_entries"
FIRST_PAUSE_SECONDS = 5
LONGEST_PAUSE_SECONDS = 300
KEPT_DAYS = 30


class IotProvisioningEntry(models.Model):
    _name = "iot.provisioning.entry"
    _description = "Provisioning Outbox"
    _order = "id desc"
    _rec_name = "username"

    username = fields.Char(required=True, readonly=True, index=True)
    client_id = fields.Char(string="Client ID", readonly=True, help="Of the connection that may have to end.")
    iot_device_id = fields.Many2one("iot.device", string="Device", readonly=True, index=True, ondelete="set null")
    effect = fields.Selection(
        [("none", "Stays"), ("refresh", "Rights Looked Up Anew"), ("disconnect", "Ends")],
        string="Open Connection",
        required=True,
        readonly=True,
    )
    state = fields.Selection(
        [("waiting", "Waiting"), ("done", "Done")], required=True, readonly=True, default="waiting", index=True
    )
    attempts = fields.Integer(readonly=True)
    error = fields.Char(string="What Happened", readonly=True)
    next_try_at = fields.Datetime(readonly=True, default=fields.Datetime.now)
    applied_at = fields.Datetime(readonly=True)

    # ------------------------------------------------------------------ adding

    @api.model
    def _add(self, changes, error=None):
        """Have the broker told of users, once this transaction is committed.

        :param changes: iterable of `Change`
        :param error: why the broker could not be told already
        """
        # The outbox is the platform's: the action that writes to it has checked what its user may do.
        self = self.sudo()
        changes = list(changes)
        devices = self.env["iot.device"]._registered_users([change.username for change in changes], with_users=False)
        self.create(
            [
                {
                    "username": change.username,
                    "client_id": change.client_id,
                    "iot_device_id": devices[change.username][0].id if change.username in devices else False,
                    "effect": change.effect,
                    "error": error,
                    "attempts": 1 if error else 0,
                    "next_try_at": self._next_try(1) if error else fields.Datetime.now(),
                }
                for change in changes
            ]
        )
        if not error:
            self._apply_after_commit()

    @api.model
    def _request(self, usernames, effect="disconnect"):
        """Make the broker follow the register for these users, once this transaction is committed.

        A user whom the register does not know is removed.
        """
        registered = self.env["iot.device"]._registered_users(usernames, with_users=False)
        self._add(
            [
                Change(
                    username=username,
                    client_id=registered[username][0].mqtt_client_id if username in registered else "",
                    after=None,
                    effect=effect,
                )
                for username in usernames
            ]
        )

    @api.model
    def _close(self, usernames):
        """Note that the broker has been told of these users by other means."""
        # As above.
        entries = self.sudo().search([("username", "in", list(usernames)), ("state", "=", "waiting")])
        entries.write({"state": "done", "error": False, "applied_at": fields.Datetime.now()})

    def _apply_after_commit(self):
        if not self.env.registry.ready:
            return  # modules are being loaded: the scheduled action comes by once that is done
        postcommit = self.env.cr.postcommit
        if not postcommit.data.get(APPLIED_AFTER_COMMIT):
            postcommit.data[APPLIED_AFTER_COMMIT] = True
            postcommit.add(partial(apply_entries, self.env.cr.dbname))

    # ------------------------------------------------------------------ applying

    @api.model
    def _cron_apply(self):
        """Apply the entries that are due; a failure stays with them, and they are tried again."""
        apply_entries(self.env.cr.dbname)

    def action_apply(self):
        """Try the entries again now."""
        waiting = self.filtered(lambda entry: entry.state == "waiting")
        if not waiting:
            return
        # Nobody writes to the outbox himself; to try now instead of soon is harmless to whoever may read it.
        waiting.sudo().write({"next_try_at": fields.Datetime.now()})
        self._apply_after_commit()

    @api.model
    def _due(self):
        self.flush_model()
        self.env.cr.execute(
            "SELECT id FROM iot_provisioning_entry WHERE state = 'waiting' AND next_try_at <= %s"
            " ORDER BY id FOR UPDATE SKIP LOCKED",
            [fields.Datetime.now()],
        )
        return self.browse([entry_id for (entry_id,) in self.env.cr.fetchall()])

    @api.model
    def _apply(self, broker):
        """Apply what is due at the connected broker; a failure is noted with the entries.

        :returns: whether there was anything
        """
        due = self._due()
        if not due:
            return False
        registered = self.env["iot.device"]._registered_users(set(due.mapped("username")))
        changes = []
        for username, entries in due.grouped("username").items():
            device, user = registered.get(username, (None, None))
            changes.append(
                Change(
                    username=username,
                    client_id=device.mqtt_client_id if device else entries[:1].client_id or "",
                    after=user,
                    effect=max(entries.mapped("effect"), key=CONNECTION_EFFECTS.index),
                )
            )
        errors = {}
        try:
            _carry_out(broker, changes, errors)
        except BrokerUnreachable as error:
            due._note_failure(str(error))
            return True
        failed = due.filtered(lambda entry: entry.username in errors)
        (due - failed).write({"state": "done", "error": False, "applied_at": fields.Datetime.now()})
        for entry in failed:
            entry._note_failure(errors[entry.username])
        return True

    def _note_failure(self, error):
        for attempts, entries in self.grouped("attempts").items():
            entries.write(
                {"attempts": attempts + 1, "error": error, "next_try_at": self._next_try(attempts + 1)},
            )

    @api.model
    def _next_try(self, attempts):
        """When to try again after so many failures (naive UTC): later each time, and not all at once."""
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (attempts - 1), LONGEST_PAUSE_SECONDS)
        return fields.Datetime.now() + timedelta(seconds=pause * random.uniform(0.5, 1))

    @api.autovacuum
    def _gc_done(self):
        limit = fields.Datetime.now() - timedelta(days=KEPT_DAYS)
        self.search([("state", "=", "done"), ("applied_at", "<", limit)]).unlink()


def _carry_out(broker, changes, errors):
    """Apply the changes together; where one of them is refused, halve them until it is found.

    :param errors: receives {username: sentence} of those that are refused
    """
    try:
        list(broker.apply(changes))
    except BrokerUnreachable:
        raise
    except BrokerError as error:
        if len(changes) == 1:
            errors[changes[0].username] = str(error)
            return
        half = len(changes) // 2
        _carry_out(broker, changes[:half], errors)
        _carry_out(broker, changes[half:], errors)


def write_alone(cr):
    """Be the only one, until the transaction ends, who tells a broker that has no such lock of its own.

    Who waits for it as his first statement reads the register as the one before him has committed it: the lock of a
    table, unlike others, can be had before the transaction has seen anything.
    """
    cr.execute("LOCK TABLE iot_provisioning_entry IN SHARE ROW EXCLUSIVE MODE")


def _apply_due(registry, broker):
    with registry.cursor() as cr:
        if not broker.takes_hashes:
            write_alone(cr)
        # Superuser, here and below: no user is behind the outbox; those who wrote to it had their rights checked.
        return api.Environment(cr, SUPERUSER_ID, {})["iot.provisioning.entry"]._apply(broker)


def apply_entries(db_name):
    """Apply the entries that are due, in a transaction of their own.

    The register is read once one has the right to be the only one who writes to the broker (it comes with the context
    of a broker that takes hashes, and with `write_alone` for others): nobody writes older rights over newer ones.
    """
    registry = Registry(db_name)
    try:
        with registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            if not env["iot.provisioning.entry"].search_count([("state", "=", "waiting")], limit=1):
                return
            broker = broker_for(env["iot.settings"]._get_config())
        with broker:
            # Who came by meanwhile could not enter: what he has written is carried out with the rest.
            while _apply_due(registry, broker):
                pass
    except (BrokerError, UserError) as error:
        with registry.cursor() as cr:
            due = api.Environment(cr, SUPERUSER_ID, {})["iot.provisioning.entry"]._due()
            if isinstance(error, BrokerBusy):
                # They stay due: whoever is at work there carries them out before he leaves.
                due.write({"error": str(error)})
            else:
                due._note_failure(str(error))
    except psycopg2.Error as error:
        # The entries are as they were, and the scheduled action comes by again.
        _logger.warning("The provisioning outbox of %s was left for later: %s", db_name, error)
