"""The platform's settings and its seams: where the other addons, the bridge and the telemetry tables meet."""

import os

from odoo import _, api, models, tools
from odoo.exceptions import UserError

from ..bridge.config import ConfigError, find_overrides, load_config, read_file_section
from ..reactors.commands import CommandLoop


def config_file():
    """The path of the file that Odoo was started with."""
    # 19.0 keeps it among the options, 17.0 beside them.
    return tools.config.get("config") or tools.config.rcfile


class IotSettings(models.AbstractModel):
    _name = "iot.settings"
    _description = "IoT Platform Settings"

    @api.model
    def _get_config(self):
        """The `Config` in force: environment over Odoo's file over system parameters.

        It holds the brokers' passwords: for server code only.

        :raises UserError: where a setting has a value that it cannot have
        """
        # System parameters are readable for administrators only, settings hold for everybody.
        parameters = self.env["ir.config_parameter"].sudo().search_read([("key", "=like", "iot.%")], ["key", "value"])
        values = {parameter["key"][len("iot.") :]: parameter["value"] for parameter in parameters}
        try:
            file_section, environ = self._server_settings()
            return load_config(file_section, values, environ)
        except ConfigError as error:
            raise UserError(_("A setting of the server is wrong: %s.", error)) from error

    @api.model
    def _server_settings(self):
        """(section of Odoo's file, environment): what wins over the settings page.

        Both speak of the original, and so do not hold for a neutralised copy of its database: that could change the
        devices' users at the brokers. Whoever wants to try a copy on brokers of its own types them on its page.
        """
        if self._is_neutralized():
            return {}, {}
        return read_file_section(config_file()), os.environ

    @api.model
    def _overrides(self):
        """What wins over the settings page, see `bridge.config.find_overrides`. It holds passwords, too."""
        return find_overrides(*self._server_settings())

    @api.model
    def _is_neutralized(self):
        """Whether this database is a copy for trying things out."""
        # As above: no secret, and true for everybody.
        return self.env["ir.config_parameter"].sudo().get_param("database.is_neutralized") == "true"

    @api.model
    def _broker_address(self, auth_method="password"):
        """Where devices connect, e.g. "mqtts://broker.farm.example:8883"."""
        config = self._get_config()
        host = config.mqtt_device_host or config.mqtt_broker_host
        port = config.mqtt_device_port or config.mqtt_broker_port
        if auth_method == "certificate":
            port = config.mqtt_certificate_port or port
        scheme = "mqtts" if config.mqtt_use_tls else "mqtt"
        return f"{scheme}://{host}:{port}"

    @api.model
    def _telemetry_specs(self):
        """The `TelemetrySpec` of every telemetry model in this database, by table."""
        mixin = self.env.registry["iot.telemetry.mixin"]
        specs = [
            self.env[name]._telemetry_spec()
            for name, model in self.env.registry.items()
            if issubclass(model, mixin) and not model._abstract
        ]
        return tuple(sorted(specs, key=lambda spec: spec.table))

    @api.model
    def _workers(self, context):
        """What is to run beside the bridge in its process; addons add theirs.

        :param context: `bridge.shift.WorkerContext`
        :return: list of workers, see `bridge.supervisor.SupervisedThread`
        """
        return [CommandLoop(context.db_name)]

    @api.model
    def _notify_registry(self):
        """Tell the bridge, once this transaction is committed, that devices, topics or schemas have changed."""
        self.env.flush_all()
        self.env.cr.execute("NOTIFY iot_registry")
