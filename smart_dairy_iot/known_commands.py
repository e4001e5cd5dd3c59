"""The commands that a device of ours is expected to know, for the screen that sends them and for its maker.

Any other name may be sent, too: what a device does not know it answers with `failed`.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class KnownCommand:
    """`parameters` are an example, put on the screen to be changed; without `device_types` it is for all of them."""

    label: str
    parameters: dict = field(default_factory=dict)
    device_types: tuple = ()

    def is_for(self, device_type):
        return not self.device_types or device_type in self.device_types


KNOWN_COMMANDS = {
    "identify": KnownCommand("Identify: blink or beep", {"seconds": 30}),
    "report_status": KnownCommand("Report the status now"),
    "restart": KnownCommand("Restart"),
    "calibrate": KnownCommand("Calibrate", {}, ("milk_meter", "temperature", "environmental", "feeder")),
    "dispense": KnownCommand("Dispense feed", {"amount_kg": 0.5}, ("feeder",)),
    "open": KnownCommand("Open", {}, ("gate", "waterer")),
    "close": KnownCommand("Close", {}, ("gate", "waterer")),
}
