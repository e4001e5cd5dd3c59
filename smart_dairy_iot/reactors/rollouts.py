"""Keeps the firmware roll-outs going. Beside the bridge, for without the bridge no command gets to a device."""

from .rounds import Rounds


class RolloutLoop(Rounds):
    name = "firmware roll-outs"
    model = "iot.firmware.rollout"
    interval = 2.0

    def _due(self, env, now):
        return [(rollout, "_step") for rollout in env["iot.firmware.rollout"]._live()]
