"""What comes over HTTP: the way into the store for the web's processes, and how much has come."""

from odoo import api, fields, models, tools

from ..bridge.ingestion import Ingestion
from ..bridge.store import Store
from ..dsn import connection_parameters
from ..telemetry.retention import retention_by_type

_TABLE = """
    CREATE TABLE IF NOT EXISTS iot_ingestion_counter (
        id integer GENERATED ALWAYS AS IDENTITY,
        outcome text PRIMARY KEY,
        messages bigint NOT NULL
    )
"""


class IotIngestion(models.AbstractModel):
    _name = "iot.ingestion"
    _description = "Messages over HTTP"

    @api.model
    @tools.ormcache()
    def _ingestion(self):
        """The `Ingestion` of this database; Odoo forgets it when models or settings change, and it is made anew."""
        config = self.env["iot.settings"]._get_config()
        specs = self.env["iot.settings"]._telemetry_specs()
        store = Store(specs, config.dead_letters_per_hour)
        return Ingestion(connection_parameters(self.env.cr.dbname), store, retention_by_type(specs, config))


class IotIngestionCounter(models.Model):
    """Written by `bridge.ingestion`, in the transactions that store the messages; the ORM only reads it."""

    _name = "iot.ingestion.counter"
    _description = "Count of Messages over HTTP"
    _auto = False
    _log_access = False
    _rec_name = "outcome"

    outcome = fields.Selection(
        [("stored", "Stored"), ("duplicate", "Duplicate"), ("dead_letter", "Dead Letter")], readonly=True
    )
    messages = fields.Float(digits=(20, 0), readonly=True, help="Since the platform was installed")

    def init(self):
        self.env.cr.execute(_TABLE)
