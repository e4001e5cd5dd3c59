"""How a simulated device answers: what it knows it does at once, and only once however often it is told."""

KNOWN = {"identify", "report_status", "restart", "calibrate", "dispense", "open", "close"}


class CommandMemory:
    """What one device was told to do, by the commands' ids."""

    def __init__(self):
        self._outcomes = {}

    def answers(self, command):
        """The acknowledgements of one delivery of a command: list of dicts without device and time.

        :param command: dict as it comes in, with `command_id`, `command`, `parameters`
        """
        command_id = command["command_id"]
        if command_id in self._outcomes:
            return [self._outcomes[command_id]]
        accepted = {"command_id": command_id, "status": "accepted"}
        if command["command"] in KNOWN:
            outcome = {"command_id": command_id, "status": "done", "message": f"{command['command']}: done"}
        else:
            message = f"this device does not know {command['command']}"
            outcome = {"command_id": command_id, "status": "failed", "message": message[:1000]}
        self._outcomes[command_id] = outcome
        return [accepted, outcome] if outcome["status"] == "done" else [outcome]
