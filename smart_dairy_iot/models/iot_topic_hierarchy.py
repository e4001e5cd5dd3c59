"""The topics of the platform: their patterns, who publishes on them, and how.

A device's own topics, its rights at the broker and what the bridge subscribes to all follow from these records.
"""

import re
from itertools import combinations

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from ..bridge.contract import payload_validator, read_topics, topic_table
from ..bridge.decoder import Decoder
from ..bridge.devices import DeviceCache
from ..bridge.topics import DEVICE_PUBLISHES, DEVICE_SUBSCRIBES, DEVICE_TYPE_PATHS, HEALTH_TOPIC, ROOT, TopicPattern
from ..telemetry.retention import retention_by_type

DEVICE_TYPES = [
    ("milk_meter", "Milk Meter"),
    ("temperature", "Temperature Sensor"),
    ("collar", "Activity Collar"),
    ("feeder", "Feed Dispenser"),
    ("gate", "Automated Gate"),
    ("waterer", "Water Dispenser"),
    ("environmental", "Environmental Sensor"),
]
MESSAGE_TYPES = [
    ("data", "Sensor Data"),
    ("status", "Device Status"),
    ("commands", "Commands"),
    ("config", "Configuration"),
    ("alerts", "Alerts"),
    ("ack", "Acknowledgements"),
    ("events", "Events"),
    ("aggregated", "Aggregated Data"),
    ("health", "Platform Health"),
]
DEVICE_PLACEHOLDERS = {"{farm_id}", "{device_id}"}
PLACEHOLDERS = DEVICE_PLACEHOLDERS | {"{device_type}", "{message_type}"}
SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
PLACEHOLDER = re.compile(r"\{.*\}")
ROUTING_FIELDS = {"topic_pattern", "device_type", "message_type", "is_active"}


class IotTopicHierarchy(models.Model):
    _name = "iot.topic.hierarchy"
    _description = "MQTT Topic"
    _order = "sequence, name"

    name = fields.Char(string="Topic Name", required=True)
    code = fields.Char(string="Topic Code", required=True, copy=False)
    sequence = fields.Integer(default=10)
    topic_pattern = fields.Char(
        required=True,
        help="Placeholders, each a whole segment: {farm_id} (its code), {device_type}, {device_id}, {message_type}.",
    )
    device_type = fields.Selection([*DEVICE_TYPES, ("system", "System")], required=True, index=True)
    message_type = fields.Selection(MESSAGE_TYPES, required=True)
    direction = fields.Selection(
        [("publish", "Device publishes"), ("subscribe", "Device receives"), ("platform", "Platform publishes")],
        compute="_compute_direction",
        store=True,
    )
    qos_level = fields.Selection(
        [("0", "QoS 0 - At most once"), ("1", "QoS 1 - At least once"), ("2", "QoS 2 - Exactly once")],
        string="QoS Level",
        default="1",
        required=True,
    )
    retain = fields.Boolean(string="Retain Message", help="The broker keeps the last message for new subscribers.")
    description = fields.Text()
    schema_ids = fields.One2many("iot.topic.schema", "topic_hierarchy_id", string="Payload Schemas")
    payload_schema = fields.Text(
        string="Payload JSON Schema",
        compute="_compute_payload_schema",
        help="The active schema that messages on this topic are checked against; without one, no message passes.",
    )
    is_active = fields.Boolean(string="Active", default=True)

    _sql_constraints = [
        ("code_unique", "UNIQUE(code)", "Topic code must be unique!"),
        (
            "one_topic_per_message",
            "EXCLUDE USING btree (device_type WITH =, message_type WITH =)"
            " WHERE (is_active AND direction IN ('publish', 'subscribe'))",
            "A device has one topic for each type of message.",
        ),
    ]

    @api.constrains("topic_pattern", "device_type", "message_type")
    def _check_topic_pattern(self):
        for topic in self:
            problem = topic._pattern_problem()
            if problem:
                raise ValidationError(problem)

    @api.constrains("topic_pattern", "device_type", "message_type", "is_active")
    def _check_overlap(self):
        """A message belongs to one topic: with two of them, who may publish it and what it means would be open."""
        self._take_turn()
        active = self.search([("is_active", "=", True)])
        for one, other in combinations(active, 2):
            if (one in self or other in self) and one._pattern().overlaps(other._pattern()):
                raise ValidationError(
                    _(
                        "A message could belong to “%(one)s” (%(one_pattern)s) and to “%(other)s” (%(other_pattern)s)"
                        " at once. Change one of the patterns, or deactivate that topic.",
                        one=one.name,
                        one_pattern=one.topic_pattern,
                        other=other.name,
                        other_pattern=other.topic_pattern,
                    )
                )

    def _take_turn(self):
        """Of two transactions at once that change which topic is whose, the second fails, and Odoo tries it again.

        Neither sees the other's topics, so that both write one row: that of the first topic.
        """
        self.env.cr.execute(
            "UPDATE iot_topic_hierarchy SET sequence = sequence WHERE id = (SELECT min(id) FROM iot_topic_hierarchy)"
        )

    def _pattern_problem(self):
        """What is wrong with the pattern, as a sentence, or "": it is made of plain segments and known placeholders."""
        self.ensure_one()
        segments = self.topic_pattern.split("/")
        placeholders = ", ".join(sorted(PLACEHOLDERS))
        for segment in segments:
            if segment in PLACEHOLDERS or SEGMENT.fullmatch(segment):
                continue
            if "+" in segment or "#" in segment:
                return _(
                    "“%(segment)s” in %(pattern)s is a wildcard: nothing can be published to it. Wildcards belong to"
                    " subscriptions, which follow from the patterns.",
                    segment=segment,
                    pattern=self.topic_pattern,
                )
            if PLACEHOLDER.fullmatch(segment):
                return _(
                    "There is no placeholder %(segment)s, as in %(pattern)s; there are %(placeholders)s.",
                    segment=segment,
                    pattern=self.topic_pattern,
                    placeholders=placeholders,
                )
            return _(
                "“%(segment)s” cannot be part of the topic pattern %(pattern)s: use letters, digits, _ and -,"
                " or a placeholder (%(placeholders)s) as a whole segment.",
                segment=segment,
                pattern=self.topic_pattern,
                placeholders=placeholders,
            )
        if segments[0] != ROOT:
            return _(
                "The topic pattern %(pattern)s must begin with %(root)s/: the platform itself may publish and receive"
                " nothing elsewhere.",
                pattern=self.topic_pattern,
                root=ROOT,
            )
        if self.message_type == "health" and self.topic_pattern != HEALTH_TOPIC:
            return _("The bridge says how it is on %s, and nowhere else: this topic stays where it is.", HEALTH_TOPIC)
        counts = [segments.count(placeholder) for placeholder in DEVICE_PLACEHOLDERS]
        if self.direction != "platform" and counts != [1, 1]:
            return _(
                "The topic pattern %s belongs to devices: it needs {farm_id} and {device_id} once each, or"
                " devices would share a topic.",
                self.topic_pattern,
            )
        if self.device_type == "system" and "{device_id}" in segments:
            return _("The topic pattern %s belongs to no device: {device_id} has no meaning there.", self.topic_pattern)
        return ""

    @api.depends("device_type", "message_type")
    def _compute_direction(self):
        directions = {**dict.fromkeys(DEVICE_PUBLISHES, "publish"), **dict.fromkeys(DEVICE_SUBSCRIBES, "subscribe")}
        for topic in self:
            of_device = topic.device_type in DEVICE_TYPE_PATHS
            topic.direction = directions.get(topic.message_type, "platform") if of_device else "platform"

    @api.depends("schema_ids.is_active", "schema_ids.json_schema")
    def _compute_payload_schema(self):
        for topic in self:
            topic.payload_schema = topic.schema_ids.filtered("is_active")[:1].json_schema

    @api.model_create_multi
    def create(self, vals_list):
        return self._with_devices_following(lambda: super(IotTopicHierarchy, self).create(vals_list))

    def write(self, vals):
        if not ROUTING_FIELDS & vals.keys():
            return super().write(vals)
        return self._with_devices_following(lambda: super(IotTopicHierarchy, self).write(vals))

    def unlink(self):
        return self._with_devices_following(lambda: super(IotTopicHierarchy, self).unlink())

    def generate_topic(self, farm_id=None, device_id=None):
        """The topic of one device.

        :param farm_id: the farm's *code*
        :param device_id: the device's identity on the wire
        :returns: the pattern with what was given filled in; placeholders without a value stay
        """
        self.ensure_one()
        return self._pattern().fill(farm_id or "{farm_id}", device_id or "{device_id}")

    def _pattern(self):
        self.ensure_one()
        return TopicPattern(self.topic_pattern, self.device_type, self.message_type)

    @api.model
    def _of_devices(self):
        """The active topics of devices, {device type: records}."""
        topics = self.search([("is_active", "=", True), ("direction", "!=", "platform")])
        of_type = topics.grouped("device_type")
        return {device_type: of_type.get(device_type, self.browse()) for device_type in DEVICE_TYPE_PATHS}

    @api.model
    def _decoder(self, device_ids):
        """The bridge's own `Decoder` with the topics and schemas in force, which knows these devices alone.

        :param device_ids: list of identities on the wire
        """
        self.env.flush_all()
        rows = read_topics(self.env.cr)
        devices = DeviceCache()
        devices.refresh(self.env.cr, device_ids)
        settings = self.env["iot.settings"]
        retention = retention_by_type(settings._telemetry_specs(), settings._get_config())
        return Decoder(topic_table(rows), payload_validator(rows), devices, retention)

    def _with_devices_following(self, change):
        """Make the change, then carry it to the devices' topics, to their rights at the broker and to the bridge."""
        devices = self.env["iot.device"].with_context(active_test=False).search([])
        users, config_topics = devices._broker_users(), devices._config_topics()
        result = change()
        devices._recompute_topics()
        devices._follow(users, config_topics)
        return result
