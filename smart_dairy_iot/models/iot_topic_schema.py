"""JSON schemas of what is published on a topic. The bridge takes only messages that the active one accepts."""

import json

import jsonschema_rs

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from ..bridge.validation import PayloadValidator


class IotTopicSchema(models.Model):
    _name = "iot.topic.schema"
    _inherit = ["iot.registry.mixin"]
    _description = "MQTT Message Payload Schema"
    _order = "topic_hierarchy_id, is_active desc, version desc"

    name = fields.Char(string="Schema Name", required=True)
    topic_hierarchy_id = fields.Many2one(
        "iot.topic.hierarchy", string="Topic", required=True, ondelete="cascade", index=True
    )
    version = fields.Char(string="Schema Version", default="1.0", required=True)
    json_schema = fields.Text(string="JSON Schema", required=True)
    example_payload = fields.Text(help="A message that the schema accepts.")
    is_active = fields.Boolean(string="Active", default=True, copy=False)

    _sql_constraints = [
        (
            "one_active_schema",
            "EXCLUDE USING btree (topic_hierarchy_id WITH =) WHERE (is_active)",
            "A topic has one active schema: deactivate the other one first.",
        ),
    ]

    @api.constrains("json_schema", "example_payload")
    def _check_schema(self):
        """The schema is a valid one that needs nothing from outside, and it accepts its own example."""
        for record in self:
            schema = record._parse(record.json_schema, _("The schema"))
            foreign = [reference for reference in _references(schema) if not reference.startswith("#")]
            if foreign:
                # Compiling it would fetch a document from wherever the schema says.
                raise ValidationError(_("A schema may refer to itself only, not to %s.", foreign[0]))
            try:
                # The bridge's own validator: what it would not load, or not accept, is not saved.
                validator = PayloadValidator({record.name: record.json_schema})
            except jsonschema_rs.ValidationError as error:
                raise ValidationError(_("This is no valid JSON schema: %s", error.message)) from error
            if record.example_payload:
                example = record._parse(record.example_payload, _("The example"))
                complaint = validator.error(record.name, example)
                if complaint:
                    raise ValidationError(_("The schema does not accept its own example: %s", complaint))

    @api.model
    def _parse(self, text, what):
        try:
            value = json.loads(text)
        except ValueError as error:
            raise ValidationError(_("%(what)s is not JSON: %(error)s", what=what, error=error)) from error
        if not isinstance(value, dict):
            raise ValidationError(_("%s must be a JSON object.", what))
        return value


def _references(schema):
    """All targets of references within a schema."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)
