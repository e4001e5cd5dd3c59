"""`odoo-bin iot_bridge`: the bridge as a process of its own, as in production.

    ODOO_RC=/etc/odoo/odoo.conf odoo-bin iot_bridge -d DATABASE [--reactors on|off|only]

SIGTERM or SIGINT stops it: what it has not committed it has not acknowledged, and the broker delivers it again.
"""

import argparse
import signal
import threading

import odoo
from odoo.cli import Command
from odoo.tools import config


class IotBridge(Command):
    """Run the Smart Dairy IoT bridge between the MQTT broker and a database"""

    name = "iot_bridge"

    def run(self, args):
        parser = argparse.ArgumentParser(prog=f"odoo-bin {self.name}", description=self.__doc__)
        parser.add_argument("-d", "--database", required=True, help="database to work for; several with commas")
        parser.add_argument(
            "--reactors",
            choices=("on", "off", "only"),
            default="on",
            help="process the inbox in this process too, leave it to another, or do nothing else (default: on)",
        )
        options, odoo_args = parser.parse_known_args(args)
        config.parse_config(["-d", options.database, "--no-http", *odoo_args])
        odoo.netsvc.init_logger()
        _serve(options.database.split(","), options.reactors)


def _serve(db_names, reactors):
    # Imported late and absolutely: the server lists commands without a configuration, and 19.0 without the addon.
    from odoo.addons.smart_dairy_iot.host import BridgeHost  # pylint: disable=odoo-addons-relative-import

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_arguments: stop.set())
    BridgeHost(reactors, db_names).run(stop)
