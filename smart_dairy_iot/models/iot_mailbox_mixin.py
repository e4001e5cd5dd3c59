"""What inbox and outbox have in common: what failed for good is a person's, who has it tried again or discards it."""

import logging
from datetime import timedelta

from psycopg2 import sql

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError

_logger = logging.getLogger(__name__)


class IotMailboxMixin(models.AbstractModel):
    """The state of its models has the values `failed`, `discarded` and `_waiting_state`.

    Everything here is written past the ORM, as the bridge does, which may be writing other rows of the table.
    """

    _name = "iot.mailbox.mixin"
    _description = "Mailbox"
    # What is to be taken next.
    _waiting_state = None

    def init(self):
        if self._abstract:
            return
        # What waits, in its order. By its primary key PostgreSQL would walk over everything done before it, millions of
        # rows after a busy week, whenever it expects much to wait; by the state alone it would sort.
        statement = sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} (id) WHERE state = {}").format(
            sql.Identifier(f"{self._table}_waiting_index"),
            sql.Identifier(self._table),
            sql.Literal(self._waiting_state),
        )
        self.env.cr.execute(statement)

    def action_discard(self):
        """Nothing more is to be done about these, which failed.

        :raises AccessError: where the user may not see to the mailboxes
        """
        self._move_failed(state="discarded")
        _logger.info("%s discarded %s, which had failed", self.env.user.login, self)

    def _move_failed(self, **values):
        """Give those of the records that failed other values.

        :raises AccessError: where the user may not see to the mailboxes
        :raises UserError: where one of them has not failed
        """
        if not self.env.user.has_group("base.group_system"):
            raise AccessError(_("Only the system's administrators see to what failed."))
        if any(entry.state != "failed" for entry in self):
            raise UserError(_("Only what has failed can be tried again or discarded."))
        assignments = [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in values]
        statement = sql.SQL("UPDATE {} SET {} WHERE id = ANY(%s) AND state = 'failed'").format(
            sql.Identifier(self._table), sql.SQL(", ").join(assignments)
        )
        self.env.cr.execute(statement, [*values.values(), self.ids])
        self.invalidate_recordset(flush=False)
        # Heard by the bridge when, and only when, this transaction commits.
        self.env.cr.execute(sql.SQL("NOTIFY {}").format(sql.Identifier(self._table)))

    @api.model
    def _delete_before(self, moment, states, column):
        """Delete what is in one of the states since before the moment, as a column has it."""
        statement = sql.SQL("DELETE FROM {} WHERE state = ANY(%s) AND {} < %s").format(
            sql.Identifier(self._table), sql.Identifier(column)
        )
        self.env.cr.execute(statement, [list(states), moment])

    @api.model
    def _delete_old_failed(self, column):
        """Delete what failed, discarded or not, as long ago as dead letters are deleted."""
        kept = timedelta(days=self.env["iot.settings"]._get_config().dead_letter_retention_days)
        self._delete_before(fields.Datetime.now() - kept, ("failed", "discarded"), column)
