"""The keys of the device CA lie where nobody but the server's user reads them."""

import os
import stat

import pytest

from smart_dairy_iot.provisioning.certificates import CertificateError
from smart_dairy_iot.provisioning.key_directory import KeyDirectory


@pytest.fixture
def keys(tmp_path):
    return KeyDirectory(tmp_path / "data" / "device_ca")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_file_and_directory_are_the_owner_s_alone_whatever_the_umask(keys):
    before = os.umask(0)
    try:
        keys.write("ab12", b"key")
    finally:
        os.umask(before)
    assert mode(keys.path) == 0o700
    assert mode(keys.file_of("ab12")) == 0o600
    assert keys.read("ab12") == b"key"


def test_a_missing_key_is_told_with_its_path_and_what_to_do(keys):
    with pytest.raises(CertificateError, match=r"ab12\.key: put the file back from its backup"):
        keys.read("ab12")


def test_a_key_that_others_can_read_is_not_used(keys):
    keys.write("ab12", b"key")
    keys.file_of("ab12").chmod(0o640)
    with pytest.raises(CertificateError, match="chmod 600"):
        keys.read("ab12")


def test_no_key_is_put_into_a_directory_that_others_can_read(keys):
    keys.path.mkdir(parents=True)
    keys.path.chmod(0o755)
    with pytest.raises(CertificateError, match="chmod 700"):
        keys.write("ab12", b"key")
    assert list(keys.path.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CertificateError, match="cannot be written"):
        KeyDirectory(tmp_path / "file").write("ab12", b"key")


def test_a_key_is_not_overwritten_and_can_be_removed_twice(keys):
    assert keys.write("ab12", b"key") is True
    assert keys.write("ab12", b"other") is False
    assert keys.read("ab12") == b"key"
    keys.remove("ab12")
    keys.remove("ab12")
    assert not keys.file_of("ab12").exists()
