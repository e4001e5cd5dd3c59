"""JSON schemas of what is published on a topic. The bridge takes only messages that the active one accepts.

The schemas of a topic are its versions, one of them active. A version that has been in force is not changed any more:
it tells what was accepted then. What is to change becomes a new version, which is tried out and then activated.
"""

import json
import re

import jsonschema_rs
import orjson

from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..bridge.plain_words import explain
from ..bridge.validation import PayloadValidator

#: The drafts of JSON Schema that the bridge's validator knows; a schema that names none is of the latest one.
DRAFTS = (
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-04/schema",
)
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class IotTopicSchema(models.Model):
    _name = "iot.topic.schema"
    _inherit = ["iot.registry.mixin"]
    _description = "MQTT Message Payload Schema"
    _order = "topic_hierarchy_id, is_active desc, id desc"

    name = fields.Char(string="Schema Name", required=True)
    topic_hierarchy_id = fields.Many2one(
        "iot.topic.hierarchy", string="Topic", required=True, ondelete="cascade", index=True
    )
    version = fields.Char(string="Schema Version", default="1.0", required=True)
    json_schema = fields.Text(string="JSON Schema", required=True)
    example_payload = fields.Text(help="A message that the schema accepts.")
    change_note = fields.Text(string="What Changed", copy=False)
    is_active = fields.Boolean(
        string="Active",
        copy=False,
        readonly=True,
        help="Messages are checked against this version. A topic's first schema is active from the start.",
    )
    activated_at = fields.Datetime(string="Active Since", copy=False, readonly=True)
    activated_by_id = fields.Many2one("res.users", copy=False, readonly=True, ondelete="restrict")
    deactivated_at = fields.Datetime(string="Active Until", copy=False, readonly=True)

    _sql_constraints = [
        (
            "one_active_schema",
            "EXCLUDE USING btree (topic_hierarchy_id WITH =) WHERE (is_active)",
            "A topic has one active schema.",
        ),
        ("version_unique", "UNIQUE(topic_hierarchy_id, version)", "The topic has a schema of this version already."),
    ]

    def init(self):
        # Schemas that are older than their versions: those in force are history from now on, too.
        self.env.cr.execute(
            "UPDATE iot_topic_schema SET activated_at = date_trunc('second', create_date)"
            " WHERE is_active AND activated_at IS NULL"
        )

    @api.constrains("json_schema", "example_payload")
    def _check_schema(self):
        """The schema is a valid one that needs nothing from outside, and it accepts its own example."""
        for record in self:
            record._check_meta_schema()
            if record.example_payload:
                complaint = record._complaint(record.example_payload)
                if complaint:
                    raise ValidationError(_("The schema does not accept its own example: %s", complaint))

    @api.depends("name", "version")
    def _compute_display_name(self):
        for schema in self:
            schema.display_name = f"{schema.name} {schema.version}"

    @api.model_create_multi
    def create(self, vals_list):
        schemas = super().create([{**vals, "is_active": False} for vals in vals_list])
        for schema, vals in zip(schemas, vals_list, strict=True):
            others = schema.topic_hierarchy_id.schema_ids
            if vals.get("is_active", not any(others.mapped("is_active"))):
                schema.is_active = True
        return schemas

    def write(self, vals):
        self._check_in_force(vals)
        if "is_active" not in vals:
            return super().write(vals)
        changing = self.filtered(lambda schema: schema.is_active != vals["is_active"])
        now = fields.Datetime.now()
        if vals["is_active"]:
            times = {"activated_at": now, "activated_by_id": self.env.uid, "deactivated_at": False}
            (changing.topic_hierarchy_id.schema_ids.filtered("is_active") - self).is_active = False
            # The database lets in one active schema of a topic at any moment.
            self.env.flush_all()
        else:
            times = {"deactivated_at": now}
        super(IotTopicSchema, self - changing).write(vals)
        return super(IotTopicSchema, changing).write({**vals, **times})

    @api.ondelete(at_uninstall=False)
    def _unlink_except_in_force(self):
        for schema in self.filtered("activated_at"):
            raise UserError(
                _("Version %s has been in force and tells what was accepted then: it is kept.", schema.version)
            )

    def action_activate(self):
        """Check messages against this version from now on, and no longer against the other one."""
        self.ensure_one()
        self.is_active = True

    def action_deactivate(self):
        """Check messages against no version: none of this topic is let in any more."""
        self.is_active = False

    def action_new_version(self):
        """Open a copy of this version that can be changed, tried out and activated."""
        self.ensure_one()
        schema = self.copy({"version": self._next_version()})
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": schema.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def action_try_payload(self):
        """Open a window in which payloads can be tried against this version."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_topic_schema_trial_action")
        return {**action, "context": {"default_schema_id": self.id, "default_payload": self.example_payload}}

    def _complaint(self, text):
        """What this version finds wrong with a payload, one sentence, or "".

        :param text: the payload, which need not even be JSON
        """
        self.ensure_one()
        try:
            payload = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return _("This is not JSON: %s", error)
        return PayloadValidator({self.name: self.json_schema}).error(self.name, payload) or ""

    def _check_meta_schema(self):
        """:raises ValidationError: where the bridge could not use the schema, or would fetch documents to do so"""
        self.ensure_one()
        schema = self._parse()
        for keyword, value in _keywords(schema, ("$schema", *_REFERENCES)):
            if keyword == "$schema" and value.rstrip("#") not in DRAFTS:
                raise ValidationError(
                    _(
                        "%(draft)s is no known draft of JSON Schema; known are %(known)s.",
                        draft=value,
                        known=", ".join(DRAFTS),
                    )
                )
            if keyword in _REFERENCES and not value.startswith("#"):
                # Compiling it would fetch a document from wherever the schema says.
                raise ValidationError(_("A schema may refer to itself only, not to %s.", value))
        try:
            jsonschema_rs.meta.validate(schema)
            # And by the bridge's own validator: what it would not load is not saved.
            PayloadValidator({self.name: self.json_schema})
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
            plain = isinstance(error, jsonschema_rs.ValidationError)
            message = explain([error]) if plain else str(error).splitlines()[0]
            raise ValidationError(_("This is no valid JSON schema: %s", message)) from error

    def _parse(self):
        try:
            schema = json.loads(self.json_schema)
        except (ValueError, RecursionError) as error:
            raise ValidationError(_("The schema is not JSON: %s", error)) from error
        if not isinstance(schema, dict):
            raise ValidationError(_("The schema must be a JSON object."))
        return schema

    def _check_in_force(self, vals):
        """What was in force is history. Only an upgrade of the addon, which writes its own schemas anew, changes it."""
        frozen = {"json_schema", "topic_hierarchy_id", "version"} & vals.keys()
        if not frozen or self.env.su:
            return
        for schema in self.filtered("activated_at"):
            raise UserError(
                _("Version %s has been in force and tells what was accepted then: make a new version.", schema.version)
            )

    def _next_version(self):
        """The version after the highest of the topic, which has one more in its last number."""
        versions = self.topic_hierarchy_id.schema_ids.mapped("version")
        highest = max(versions, key=lambda version: [int(number) for number in re.findall(r"\d+", version)])
        head, number, tail = re.fullmatch(r"(.*?)(\d*)(\D*)", highest, re.DOTALL).groups()
        return f"{head}{int(number or 0) + 1}{tail}"


def _keywords(schema, names):
    """(keyword, text) of all these keywords within a schema."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in names and isinstance(value, str):
                yield key, value
            else:
                yield from _keywords(value, names)
    elif isinstance(schema, list):
        for value in schema:
            yield from _keywords(value, names)
