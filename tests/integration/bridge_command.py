"""`odoo-bin iot_bridge`, on the database of an instance that need not run; several may run side by side."""

import os
import signal

from stack.service import Service


class BridgeCommand(Service):
    """:param options: of the command line
    :param name: of its folder, where several run
    :param settings: what it is told in its environment, over the instance's configuration: {"MQTT_BROKER_PORT": ...}
    """

    name = "iot_bridge"

    def __init__(self, instance, *options, name="command", settings=None):
        super().__init__(instance.directory / name)
        self._instance, self._options = instance, options
        self._settings = {f"SMART_DAIRY_{key}": str(value) for key, value in (settings or {}).items()}

    def start(self):
        self._instance.write_conf()
        command = self._instance.command("iot_bridge", "-d", self._instance.database, *self._options)
        self.spawn(command, env=self._instance.environ() | self._settings, cwd=self.directory)
        return self

    @property
    def log(self):
        return self.log_file.read_text() if self.log_file.exists() else ""

    def connected(self):
        """How often it has taken the lead and reached the broker."""
        return self.log.count("The bridge is connected to the broker")

    def suspend(self):
        """Stop it as a debugger or an overloaded machine does: it does nothing, and its connections stay."""
        os.kill(self.pid(), signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid(), signal.SIGCONT)
