"""The comparison of the broker's users with the register: when it was last made, and what came of it.

What differs is in `iot.broker.drift`. The broker is asked first, and the register read afterwards in a transaction of
its own: what is being provisioned meanwhile has an entry in the outbox, or, at a broker that is told at once, waits for
the check to end.
"""

from functools import partial

from odoo import SUPERUSER_ID, _, api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.modules.registry import Registry

from ..provisioning import BrokerError, broker_for
from .iot_provisioning_entry import write_alone


class IotBrokerCheck(models.Model):
    """One row: the last check."""

    _name = "iot.broker.check"
    _description = "Broker Check"
    _rec_name = "checked_at"

    checked_at = fields.Datetime(required=True, readonly=True)
    problem = fields.Char(readonly=True, help="Why the broker could not be asked; empty where it answered.")

    @api.model
    def _cron_check(self):
        """Compare the broker with the register; a broker that cannot be asked is a result like any other."""
        check_broker(self.env.cr.dbname)

    @api.model
    def action_check_now(self):
        """Compare the broker with the register now.

        :raises UserError: where the broker cannot be asked
        """
        self._check_administrator()
        problem = check_broker(self.env.cr.dbname)
        if problem:
            raise UserError(problem)
        return {"type": "ir.actions.client", "tag": "soft_reload"}

    @api.model
    def summary(self):
        """What the screen tells of the last check: {"checked_at" (naive UTC), "problem", "differing"}, or {}."""
        self._check_administrator()
        last = self.search([], limit=1)
        if not last:
            return {}
        return {
            "checked_at": fields.Datetime.to_string(last.checked_at),
            "problem": last.problem,
            "differing": self.env["iot.broker.drift"].search_count([("state", "=", "open")]),
        }

    @api.model
    def _check_after_commit(self):
        """Check once more when this transaction, and what it has to tell the broker, is through."""
        self._check_administrator()
        self.env.cr.postcommit.add(partial(check_broker, self.env.cr.dbname))

    @api.model
    def _note(self, problem):
        """Replace what was known of the last check."""
        values = {"checked_at": fields.Datetime.now(), "problem": problem}
        last = self.search([], limit=1)
        if last:
            last.write(values)
        else:
            self.create(values)

    @api.model
    def _check_administrator(self):
        if not self.env.su and not self.env.user.has_group("smart_dairy_farm.group_farm_admin"):
            raise AccessError(_("Only farm administrators may compare the broker with the register."))


def check_broker(db_name):
    """Compare, and note what differs, in transactions of its own.

    :return: None, or a sentence on why the broker could not be asked
    """
    registry = Registry(db_name)
    with registry.cursor() as cr:
        # Superuser, here and below: the broker knows the users of every farm, whoever has it checked.
        config = api.Environment(cr, SUPERUSER_ID, {})["iot.settings"]._get_config()
        since = cr.now()
    found, problem = None, None
    try:
        broker = broker_for(config)
    except BrokerError as error:
        broker, problem = None, str(error)
    with registry.cursor() as cr:
        if broker and not broker.takes_hashes:
            # An action that has told the broker, and is not committed yet, would look like a difference.
            write_alone(cr)
        try:
            if broker:
                with broker:
                    found = broker.users()
        except BrokerError as error:
            problem = str(error)
        # One check at a time notes what it found. A lock of a table, unlike others, can be had before the transaction
        # has seen anything, so that it sees what the one before has noted.
        cr.execute("LOCK TABLE iot_broker_check IN SHARE ROW EXCLUSIVE MODE")
        env = api.Environment(cr, SUPERUSER_ID, {})
        if found is not None:
            ours = {config.mqtt_bridge_username, config.mqtt_admin_username}
            env["iot.broker.drift"]._note(found, ours, broker.takes_hashes, since)
        env["iot.broker.check"]._note(problem)
    return problem
