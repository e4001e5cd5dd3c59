"""What the bridge received and the ORM is to act on: at least once, in batches, in the order of arrival."""

import json
import logging
import traceback
from collections import namedtuple
from datetime import timedelta

from psycopg2.errors import DeadlockDetected, LockNotAvailable, SerializationFailure
from psycopg2.extras import Json

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import mute_logger

_logger = logging.getLogger(__name__)

#: What a handler gets: `timestamp` and `received_at` are naive UTC, `payload` is a dict.
InboxMessage = namedtuple("InboxMessage", "id kind iot_device_id timestamp channel digest payload received_at")

# A message that fails is tried again after 1, 2, 4 ... minutes, then kept as failed for a person to look at.
_MOST_ATTEMPTS = 8
_FIRST_RETRY = timedelta(minutes=1)
# Done messages are what a redelivery is recognised by; a broker's session that was away longer is gone.
_KEEP_DONE = timedelta(days=7)
# The whole batch is to be tried again, not blamed on a message.
_CONCURRENCY_ERRORS = (DeadlockDetected, LockNotAvailable, SerializationFailure)


class IotInbox(models.Model):
    _name = "iot.inbox"
    _description = "IoT Inbox"
    _log_access = False
    _order = "id desc"
    _rec_name = "kind"

    kind = fields.Char(required=True, readonly=True)
    iot_device_id = fields.Integer(string="Device (ID)", readonly=True, group_operator=False)
    timestamp = fields.Datetime(readonly=True)
    channel = fields.Integer(readonly=True, group_operator=False)
    digest = fields.Char(
        required=True,
        default="",
        readonly=True,
        help="Tells statuses and alerts of one instant apart; readings are told apart by their channel",
    )
    payload = fields.Json(readonly=True)
    payload_text = fields.Text(string="Payload (text)", compute="_compute_payload_text")
    received_at = fields.Datetime(readonly=True)
    state = fields.Selection(
        [("new", "New"), ("done", "Done"), ("failed", "Failed")], required=True, default="new", index=True
    )
    attempts = fields.Integer(required=True, default=0)
    next_try_at = fields.Datetime(readonly=True)
    error = fields.Text(readonly=True)

    _sql_constraints = [
        (
            "message_unique",
            "UNIQUE(kind, iot_device_id, timestamp, channel, digest)",
            "This message is in the inbox already.",
        ),
    ]

    @api.depends("payload")
    def _compute_payload_text(self):
        for message in self:
            message.payload_text = json.dumps(message.payload, indent=4, ensure_ascii=False)

    @api.model
    def _handlers(self):
        """{kind: (model, method)}; addons add theirs. A method takes a list of `InboxMessage` and may run twice."""
        return {
            "device_status": ("iot.event", "_react_device_status"),
            "device_alert": ("iot.event", "_react_device_alert"),
            "device_silent": ("iot.event", "_react_device_silent"),
            "device_back": ("iot.event", "_react_device_back"),
            "command_ack": ("iot.device.command", "_react_command_ack"),
        }

    @api.model
    def _put(self, kind, iot_device_id, timestamp, payload, channel=0, digest=""):
        """Put a message in, as the bridge does; one that is there already is left as it is."""
        now = fields.Datetime.now()
        self.env.cr.execute(
            """
            INSERT INTO iot_inbox (kind, iot_device_id, timestamp, channel, digest, payload, received_at,
                                   state, attempts, next_try_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, 'new', 0, %s)
                ON CONFLICT (kind, iot_device_id, timestamp, channel, digest) DO NOTHING
            """,
            [kind, iot_device_id, timestamp, channel, digest, Json(payload), now, now],
        )

    @api.model
    def process(self, limit=500):
        """Process up to `limit` messages in this transaction; how many there were.

        :raises AccessError: where the caller acts for a user; without the platform's rights every message would fail
        """
        if not self.env.su:
            raise AccessError(_("Only the platform itself processes its inbox."))
        messages = self._take(limit)
        handlers = self._handlers()
        for run in _runs_of_one_kind(messages):
            self._handle(handlers.get(run[0].kind), run)
        # The states were written past the ORM.
        self.invalidate_model(flush=False)
        return len(messages)

    def _take(self, limit):
        self.env.cr.execute(
            """
            SELECT id, kind, iot_device_id, timestamp, channel, digest, payload, received_at
              FROM iot_inbox
             WHERE state = 'new' AND next_try_at <= %s
             ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
            """,
            [fields.Datetime.now(), limit],
        )
        return [InboxMessage(*row) for row in self.env.cr.fetchall()]

    def _handle(self, handler, messages):
        if handler is None:
            # Nobody is interested: the addon that was is no longer installed.
            self._set_done(messages)
            return
        try:
            self._call(handler, messages)
        except _CONCURRENCY_ERRORS:
            raise
        except Exception:  # noqa: BLE001 - found out below which message it is; that one is kept with its traceback
            if len(messages) == 1:
                self._set_failed(messages[0], traceback.format_exc())
            else:
                for message in messages:
                    self._handle(handler, [message])

    def _call(self, handler, messages):
        model, method = handler
        with self.env.cr.savepoint(), mute_logger("odoo.sql_db"):
            getattr(self.env[model], method)(messages)
            self._set_done(messages)
            self.env.flush_all()

    def _set_done(self, messages):
        self.env.cr.execute(
            "UPDATE iot_inbox SET state = 'done', error = NULL WHERE id = ANY(%s)",
            [[message.id for message in messages]],
        )

    def _set_failed(self, message, error):
        self.env.cr.execute(
            """
            UPDATE iot_inbox
               SET attempts = attempts + 1, error = %s,
                   state = CASE WHEN attempts + 1 >= %s THEN 'failed' ELSE 'new' END,
                   next_try_at = %s + %s * 2 ^ attempts
             WHERE id = %s RETURNING attempts
            """,
            [error, _MOST_ATTEMPTS, fields.Datetime.now(), _FIRST_RETRY, message.id],
        )
        (attempts,) = self.env.cr.fetchone()
        _logger.warning("Message %s of kind %s failed, attempt %s:\n%s", message.id, message.kind, attempts, error)

    def action_retry(self):
        """Have messages that failed handled once more, with all their attempts before them.

        :raises AccessError: where the user may not see to the inbox
        """
        if not self.env.user.has_group("base.group_system"):
            raise AccessError(_("Only the system's administrators have messages tried again."))
        if any(message.state != "failed" for message in self):
            raise UserError(_("Only messages that failed can be tried again."))
        # Past the ORM, as the bridge: it may be writing other messages of the inbox.
        self.env.cr.execute(
            "UPDATE iot_inbox SET state = 'new', attempts = 0, next_try_at = %s"
            " WHERE id = ANY(%s) AND state = 'failed'",
            [fields.Datetime.now(), self.ids],
        )
        self.invalidate_recordset(flush=False)
        self.env.cr.execute("NOTIFY iot_inbox")

    @api.autovacuum
    def _gc_done(self):
        self.env.cr.execute(
            "DELETE FROM iot_inbox WHERE state = 'done' AND received_at < %s", [fields.Datetime.now() - _KEEP_DONE]
        )


def _runs_of_one_kind(messages):
    """Lists of neighbours of one kind.

    Not all of one kind together: a device that fell silent, came back and fell silent again must not end up as back.
    """
    runs = []
    for message in messages:
        if runs and runs[-1][0].kind == message.kind:
            runs[-1].append(message)
        else:
            runs.append([message])
    return runs
