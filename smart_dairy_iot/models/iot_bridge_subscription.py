"""What the bridges' sessions at the broker may be subscribed to, written by the bridges alone."""

from odoo import fields, models


class IotBridgeSubscription(models.Model):
    """Written by `bridge.subscriptions`; the ORM only reads it."""

    _name = "iot.bridge.subscription"
    _description = "Subscription of a Bridge"
    _log_access = False
    _order = "client_id, topic_filter"
    _rec_name = "topic_filter"

    client_id = fields.Char(string="Client ID", required=True, readonly=True)
    topic_filter = fields.Char(required=True, readonly=True)
