"""What the bridge received and the ORM is to act on: at least once, in batches, in the order of arrival.

A message whose handler raises is tried again, later and later; given up, it stays here as failed, with the traceback:
the dead letter of what had been stored. Meanwhile later messages are handled, so that a handler meets messages of one
device out of order, too.
"""

import json
import logging
import traceback
from collections import namedtuple
from datetime import timedelta

from psycopg2.errors import DeadlockDetected, LockNotAvailable, SerializationFailure
from psycopg2.extras import Json

from odoo import _, api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import mute_logger

from ..bridge.messages import HTTP, MQTT, OWN
from ..bridge.timestamps import utc_now

_logger = logging.getLogger(__name__)

#: What a handler gets: `timestamp` and `received_at` are naive UTC, `payload` is a dict, `transport` may be None.
InboxMessage = namedtuple(
    "InboxMessage", "id kind iot_device_id timestamp channel digest payload received_at transport"
)

# A message that fails is tried again after 1, 2, 4 ... 64 minutes, then kept as failed for a person to look at.
_MOST_ATTEMPTS = 8
_FIRST_RETRY = timedelta(minutes=1)
# Characters of a traceback, the last ones: they say what is wrong.
_LONGEST_ERROR = 20_000
# Done messages are what a redelivery is recognised by; a broker's session that was away longer is gone.
_KEEP_DONE = timedelta(days=7)
# The whole batch is to be tried again, not blamed on a message.
_CONCURRENCY_ERRORS = (DeadlockDetected, LockNotAvailable, SerializationFailure)


class IotInbox(models.Model):
    _name = "iot.inbox"
    _inherit = ["iot.mailbox.mixin"]
    _waiting_state = "new"
    _description = "IoT Inbox"
    _log_access = False
    _order = "id desc"
    _rec_name = "kind"

    kind = fields.Char(required=True, readonly=True)
    iot_device_id = fields.Integer(string="Device (ID)", readonly=True, group_operator=False)
    device_name = fields.Char(string="Device", compute="_compute_device_name")
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
    transport = fields.Selection(
        [(MQTT, "MQTT"), (HTTP, "HTTP"), (OWN, "Read by the Bridge")],
        string="Came by",
        readonly=True,
        help="Empty: nobody knows any more, as of a dead letter that was sent again.",
    )
    state = fields.Selection(
        [("new", "New"), ("done", "Done"), ("failed", "Failed"), ("discarded", "Discarded")],
        required=True,
        default="new",
        readonly=True,
        index=True,
        help="Failed: acting on it ended in an error each time; it is not tried again by itself",
    )
    attempts = fields.Integer(required=True, default=0, readonly=True)
    next_try_at = fields.Datetime(readonly=True)
    error = fields.Text(string="Traceback", readonly=True)
    problem = fields.Char(compute="_compute_problem", help="The traceback's last line")
    advice = fields.Text(string="What to Do", compute="_compute_advice")

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

    @api.depends("iot_device_id")
    def _compute_device_name(self):
        devices = self.env["iot.device"].with_context(active_test=False)
        devices = devices.browse({message.iot_device_id for message in self}).exists()
        names = {device.id: device.display_name for device in devices}
        for message in self:
            message.device_name = names.get(message.iot_device_id)

    @api.depends("error")
    def _compute_problem(self):
        for message in self:
            message.problem = message.error and message.error.strip().rpartition("\n")[2]

    @api.depends("state", "attempts")
    def _compute_advice(self):
        given_up = _(
            "Odoo could not act on this message and has given up. Once the cause is mended, try it again; or discard"
            " it: what the device measured is stored in any case."
        )
        trying = _("Odoo could not act on this message, and tries it again by itself.")
        for message in self:
            retried = trying if message.state == "new" and message.attempts else False
            message.advice = given_up if message.state == "failed" else retried

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
    def _put(self, kind, iot_device_id, timestamp, payload, channel=0, digest="", transport=None):
        """Put a message in, as the bridge does; one that is there already is left as it is."""
        now = fields.Datetime.now()
        self.env.cr.execute(
            """
            INSERT INTO iot_inbox (kind, iot_device_id, timestamp, channel, digest, payload, received_at,
                                   transport, state, attempts, next_try_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'new', 0, %s)
                ON CONFLICT (kind, iot_device_id, timestamp, channel, digest) DO NOTHING
            """,
            [kind, iot_device_id, timestamp, channel, digest, Json(payload), now, transport, now],
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
            SELECT id, kind, iot_device_id, timestamp, channel, digest, payload, received_at, transport
              FROM iot_inbox
             WHERE state = 'new' AND next_try_at <= %s
             ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
            """,
            # The ORM's time is the second's beginning: what came in this second would wait for the next.
            [utc_now(), limit],
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
            [_storable(error), _MOST_ATTEMPTS, fields.Datetime.now(), _FIRST_RETRY, message.id],
        )
        (attempts,) = self.env.cr.fetchone()
        level = logging.ERROR if attempts >= _MOST_ATTEMPTS else logging.WARNING
        _logger.log(level, "Message %s of kind %s failed, attempt %s:\n%s", message.id, message.kind, attempts, error)

    def action_retry(self):
        """Have messages that failed handled once more, with all their attempts before them.

        :raises AccessError: where the user may not see to the inbox
        """
        self._move_failed(state="new", attempts=0, next_try_at=fields.Datetime.now())

    @api.autovacuum
    def _gc_old(self):
        self._delete_before(fields.Datetime.now() - _KEEP_DONE, ("done",), "received_at")
        self._delete_old_failed("received_at")


def _storable(error):
    """A traceback as PostgreSQL takes it. It quotes what a device sent, and must not fail in its turn."""
    return error[-_LONGEST_ERROR:].encode(errors="backslashreplace").decode().replace("\0", "\\0")


def _runs_of_one_kind(messages):
    """Lists of messages of one kind, as few as go without a message overtaking one of the same device.

    A device that fell silent, came back and fell silent again must not end up as back.
    """
    runs, run_of_kind, run_of_device = [], {}, {}
    for message in messages:
        number = run_of_kind.get(message.kind, -1)
        if number < run_of_device.get(message.iot_device_id, 0):
            number = run_of_kind[message.kind] = len(runs)
            runs.append([])
        runs[number].append(message)
        run_of_device[message.iot_device_id] = number
    return runs
