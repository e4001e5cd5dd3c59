"""A certificate authority for devices, with the files that a broker and its clients want of it."""

from datetime import datetime, timedelta, timezone

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

from smart_dairy_iot.provisioning.certificates import Authority, Revoked

CRL_URL = "http://odoo.test/iot/crl/1.pem"
YEAR = timedelta(days=365)


def utc_now():
    """The wall clock as naive UTC, the form that certificates are made with."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


class DeviceCa:
    """One authority under `directory`: `ca_file`, `crl_file` (a list that revokes nothing yet) and certificates.

    :param name: its common name
    """

    def __init__(self, directory, name="Device CA"):
        self.directory = directory
        self.authority = Authority.generate(name, 3650, utc_now() - YEAR)
        self.ca_file = directory / "ca.pem"
        self.ca_file.write_text(self.authority.facts.pem)
        self.crl_file = directory / "crl.pem"
        self._revoked = []
        self._number = 0
        self.crl_file.write_text(self.crl())

    def certificate(self, name, made_at=None, valid=YEAR):
        """A certificate with its key for the user `name`: path of a PEM file, and the facts of the certificate."""
        made_at = made_at or utc_now()
        bundle = self.authority.issue_with_key(name, made_at + valid, CRL_URL, made_at)
        key, certificate, _chain = pkcs12.load_key_and_certificates(bundle.pkcs12, bundle.passphrase.encode())
        path = self.directory / f"{bundle.certificate.serial_number}.pem"
        path.write_bytes(
            certificate.public_bytes(Encoding.PEM)
            + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        return path, bundle.certificate

    def crl(self, *revoked, at=None, number=None):
        """A list, as PEM text, that revokes these certificates and all that earlier lists did.

        :param revoked: facts of certificates
        :param at: when it is signed; now if it is not given
        """
        at = at or utc_now()
        self._revoked += [Revoked(facts.serial_number, at) for facts in revoked]
        self._number = number or self._number + 1
        return self.authority.sign_crl(self._revoked, self._number, CRL_URL, at).pem
