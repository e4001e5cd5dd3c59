"""How a simulated device answers: what it knows it does at once, and only once however often it is told."""

from datetime import datetime

from .clock import utc_now

KNOWN = {"identify", "report_status", "restart", "calibrate", "dispense", "open", "close"}
UPDATE_FIRMWARE = "update_firmware"
"""Takes longer: the device accepts it, and says later how it ended."""
REMEMBERED = 1000


class CommandMemory:
    """What one device was told to do last, by the commands' ids, and what it said about it.

    :param now: callable giving the wall clock, aware
    """

    def __init__(self, now=utc_now):
        self._now = now
        self._said = {}

    def __contains__(self, command):
        return command["command_id"] in self._said

    def answers(self, command):
        """The acknowledgements of one delivery of a command: list of dicts without device and time.

        :param command: dict as it comes in, with `command_id`, `command`, `parameters`, `expires_at`
        """
        if command in self:
            return [self._said[command["command_id"]]]
        if self._is_expired(command):
            return [self.say(command, "failed", message="it came too late")]
        if command["command"] == UPDATE_FIRMWARE:
            return [self.say(command, "accepted")]
        if command["command"] in KNOWN:
            return [self.say(command, "accepted"), self.say(command, "done", message=f"{command['command']}: done")]
        return [self.say(command, "failed", message=f"this device does not know {command['command']}")]

    def say(self, command, status, **said):
        """An acknowledgement, which is repeated from now on when the command comes again."""
        self._said[command["command_id"]] = answer = {"command_id": command["command_id"], "status": status, **said}
        if len(self._said) > REMEMBERED:
            del self._said[next(iter(self._said))]
        return answer

    def _is_expired(self, command):
        expires_at = command.get("expires_at")
        return bool(expires_at) and datetime.fromisoformat(expires_at.replace("Z", "+00:00")) <= self._now()
