"""Looks after the commands under way: those that were not answered, have expired, or wait for their device."""

from .rounds import Rounds


class CommandLoop(Rounds):
    name = "commands"
    model = "iot.device.command"
    most_at_once = 500
    """So many commands, and devices, are seen to in a round, beside those that failed lately."""

    def _due(self, env, now):
        # What failed is due for as long as it fails: were it counted, enough of it would leave no room for the others.
        limit = self.most_at_once + len(self._failures)
        return [
            *((command, "_look_after") for command in env["iot.device.command"]._due(now, limit)),
            *((device, "_send_waiting_commands") for device in env["iot.device"]._ready_for_commands(limit)),
        ]
