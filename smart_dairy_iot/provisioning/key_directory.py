"""Where the private keys of the device CA are: files that only the server's own user reads, in his own directory.

They are in no database, so no dump and no copy of one has them. A file is named after the fingerprint of the
certificate it belongs to.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from .certificates import CertificateError


class KeyDirectory:
    """The directory of the keys; it is made with the first of them."""

    def __init__(self, path):
        self.path = Path(path)

    def file_of(self, fingerprint):
        """The path of the key of the certificate with this fingerprint, whether it is there or not."""
        return self.path / f"{fingerprint}.key"

    def write(self, fingerprint, key):
        """Keep a key (bytes) under a certificate's fingerprint; one that is there already is the same, and stays.

        :returns: whether it was not there
        :raises CertificateError: where it cannot be written, or others could read it there
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_private(self.path)
            return self._write_new(self.file_of(fingerprint), key)
        except OSError as error:
            raise CertificateError(
                f"The key of the device CA cannot be written to {self.path}: {error.strerror}."
            ) from error

    @staticmethod
    def _write_new(path, content):
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return True

    def read(self, fingerprint):
        """The key of a certificate.

        :raises CertificateError: when the file is not there, cannot be read, or could be read by others
        """
        path = self.file_of(fingerprint)
        try:
            self._check_private(path)
            return path.read_bytes()
        except FileNotFoundError as error:
            raise CertificateError(
                f"The key of the device CA is not at {path}: put the file back from its backup, or set up a new CA."
            ) from error
        except OSError as error:
            raise CertificateError(f"The key of the device CA cannot be read at {path}: {error.strerror}.") from error

    def remove(self, fingerprint):
        """Forget a key, if it is there."""
        with suppress(FileNotFoundError):
            self.file_of(fingerprint).unlink()

    @staticmethod
    def _check_private(path):
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise CertificateError(
                f"{path} can be read by others than the server's user: take their rights away"
                f" (chmod {'700' if path.is_dir() else '600'})."
            )
