"""docker/mosquitto's configuration for a broker of ours: the demo and the tests run on what is shipped.

Only places, ports and what a caller names are other than in the files. Their comments have the reasons.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from .paths import ROOT

CONFIG = ROOT / "docker" / "mosquitto" / "config"


def settings_of(path: Path) -> Iterator[tuple[str, str]]:
    """The (name, value) of each line that is no comment."""
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, _space, value = line.partition(" ")
            yield name, value.strip()


def configuration(
    places: Mapping[str, str], listeners: Mapping[str, int], changes: Mapping[str, str], host: str = "127.0.0.1"
) -> str:
    """The file that the broker is given.

    :param places: {how a path in the files begins: what stands for that here}
    :param listeners: {name of a file in `listeners`: the port in place of its own}; all on ``host``
    :param changes: {name: another value} of what stands in `mosquitto.conf`
    """
    lines = []
    for name, value in settings_of(CONFIG / "mosquitto.conf"):
        if name != "include_dir":
            lines.append(f"{name} {changes.get(name, _placed(value, places))}")
    for file, port in listeners.items():
        for name, value in settings_of(CONFIG / "listeners" / file):
            lines.append(f"listener {port} {host}" if name == "listener" else f"{name} {_placed(value, places)}")
    return "\n".join([*lines, ""])


def _placed(value: str, places: Mapping[str, str]) -> str:
    for beginning, place in places.items():
        if value.startswith(beginning):
            return place + value.removeprefix(beginning)
    return value
