"""Looks after the commands under way: those that were not answered, have expired, or wait for their device."""

from .rounds import Rounds


class CommandLoop(Rounds):
    name = "commands"
    model = "iot.device.command"

    def _due(self, env, now):
        return [
            *((command, "_look_after") for command in env["iot.device.command"]._due(now)),
            *((device, "_send_waiting_commands") for device in env["iot.device"]._ready_for_commands()),
        ]
