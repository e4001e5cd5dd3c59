"""The devices' own memory of what they were issued."""

import stat

import pytest

from simulate import parse_arguments
from simulation.devices import Credentials
from simulation.registration import CredentialFile

ISSUED = Credentials("TE_TS001", "sd_TS001", "a secret")


def test_credentials_survive_a_restart(tmp_path):
    CredentialFile(tmp_path / "new" / "farm.json").put("TS001", ISSUED)
    again = CredentialFile(tmp_path / "new" / "farm.json")
    assert again.get("TS001") == ISSUED
    assert again.get("TS002") is None


def test_only_the_owner_can_read_them(tmp_path):
    path = tmp_path / "farm.json"
    CredentialFile(path).put("TS001", ISSUED)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    CredentialFile(path).put("TS002", ISSUED)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["farm.json"]


@pytest.mark.parametrize(
    "wrong",
    [
        ["--fault", "silent:XX"],
        ["--milk", "noon"],
        ["--milk", "05:00,06:00"],
        ["--speed", "1"],
        ["--history-days", "-1"],
    ],
)
def test_a_command_line_that_makes_no_sense_ends_with_a_message(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        parse_arguments(["--ca", "ca.crt", *wrong])
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err
