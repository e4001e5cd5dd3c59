"""`odoo-bin iot_store`: what is done to many readings at once, and takes longer than a request of a browser may.

    ODOO_RC=/etc/odoo/odoo.conf odoo-bin iot_store -d DATABASE show
    ODOO_RC=/etc/odoo/odoo.conf odoo-bin iot_store -d DATABASE convert
    ODOO_RC=/etc/odoo/odoo.conf odoo-bin iot_store -d DATABASE export --kind iot.temperature.reading
        --since 2026-01-01 --until 2026-02-01 [--farm CODE] --file january.csv

It does so with the rights of the server's administrator: the readings of all farms. Times are UTC.
"""

import argparse
import sys
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import odoo
from odoo import SUPERUSER_ID, api
from odoo.cli import Command
from odoo.exceptions import UserError
from odoo.modules.registry import Registry
from odoo.tools import config


class IotStore(Command):
    """Show, convert or export the readings of Smart Dairy IoT in a database"""

    name = "iot_store"

    def run(self, args):
        options, odoo_args = self._parser().parse_known_args(args)
        config.parse_config(["-d", options.database, "--no-http", *odoo_args])
        odoo.netsvc.init_logger()
        sys.exit(_run(options))

    def _parser(self):
        parser = argparse.ArgumentParser(prog=f"odoo-bin {self.name}", description=self.__doc__)
        parser.add_argument("-d", "--database", required=True)
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("show", help="print the level of the tables, and the one that the server offers")
        actions.add_parser("convert", help="raise the tables to the level that the server offers")
        export = actions.add_parser("export", help="write the readings of a span of time into a file")
        export.add_argument("--kind", required=True, help="telemetry model, such as iot.temperature.reading")
        export.add_argument("--since", required=True, type=_utc, help="first moment, ISO 8601 of UTC")
        export.add_argument("--until", required=True, type=_utc, help="the first moment that is left out")
        export.add_argument("--farm", metavar="CODE", help="of one farm alone")
        export.add_argument("--file", required=True, type=Path, help="its name ends in .csv or .parquet")
        return parser


def _utc(text):
    moment = datetime.fromisoformat(text)
    if moment.tzinfo:
        raise ValueError("a time zone")
    return moment


def _run(options):
    registry = Registry(options.database)
    if "iot.telemetry.store" not in registry:
        return f"The addon smart_dairy_iot is not installed in {options.database}."
    try:
        return _ACTIONS[options.action](registry, options)
    except UserError as error:
        return str(error)


@contextmanager
def _environment(registry):
    with registry.cursor() as cr:
        # No user is behind a command of the server.
        yield api.Environment(cr, SUPERUSER_ID, {})


def _show(registry, _options):
    with _environment(registry) as env:
        store = env["iot.telemetry.store"]
        print(f"the tables: {store._level()}; the server offers: {store._offered_level()}")


def _convert(registry, _options):
    with _environment(registry) as env:
        done = env["iot.telemetry.store"]._raise_level()
    for conversion in done:
        print(f"{conversion.table}: {conversion.rows:,} readings, {conversion.before} -> {conversion.after}")
    if not done:
        print("The tables are what the server offers already.")


def _export(registry, options):
    # Imported late and absolutely: the server lists commands without a configuration, and 19.0 without the addon.
    # pylint: disable=odoo-addons-relative-import
    from odoo.addons.smart_dairy_iot.models.iot_telemetry_export import ExportSpan
    from odoo.addons.smart_dairy_iot.telemetry.export import formats

    file_format = options.file.suffix.removeprefix(".")
    if file_format not in formats():
        return f"The file's name ends in .{' or .'.join(formats())}."
    with _environment(registry) as env:
        kinds = [spec.model for spec in env["iot.settings"]._telemetry_specs()]
        if options.kind not in kinds:
            return f"There are readings of the kinds {', '.join(kinds)}."
        farm = env["farm.location"].with_context(active_test=False).search([("code", "=", options.farm)])
        if options.farm and not farm:
            return f"There is no farm {options.farm}."
        farm_id = farm.id if options.farm else None
    try:
        span = ExportSpan(options.since, options.until, farm_id)
    except ValueError as error:
        return str(error)
    # An export takes hours: that transaction is over, and each page has one of its own.
    try:
        rows = env[options.kind]._export_to(span, file_format, options.file)
    except OSError as error:
        return str(error)
    print(f"{options.file}: {rows:,} readings")


_ACTIONS = {"show": _show, "convert": _convert, "export": _export}
