"""A certificate authority for devices, with the files that a broker and its clients want of it."""

from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.x509.oid import NameOID

from smart_dairy_iot.provisioning.certificates import Authority, Revoked

CRL_URL = "http://odoo.test/iot/crl/1.pem"
YEAR = timedelta(days=365)


def utc_now():
    """The wall clock as naive UTC, the form that certificates are made with."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


class DeviceCa:
    """One authority under `directory`: `ca_file`, `crl_file` (a list that revokes nothing yet) and certificates.

    :param name: its common name
    :param root: a `Root` that is to have signed it
    """

    def __init__(self, directory, name="Device CA", root=None):
        self.directory = directory
        self.authority = root.intermediate(name) if root else Authority.generate(name, 3650, utc_now() - YEAR)
        self.ca_file = directory / "ca.pem"
        self.ca_file.write_text(self.authority.facts.pem + self.authority.chain_pem)
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
            + self.authority.facts.pem.encode()
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


class Root:
    """A root as a company may have one, which signs intermediates."""

    def __init__(self):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign("Root", self._key.public_key(), 1)

    def intermediate(self, name):
        """An `Authority` that this root has signed, as it is imported."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(name, key.public_key(), 0).public_bytes(Encoding.PEM)
        key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = self._certificate.public_bytes(Encoding.PEM)
        return Authority.import_intermediate(certificate, key_pem, None, chain, utc_now())

    def _sign(self, name, key, path_length):
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "digital_signature"), False
        )
        usage |= {"encipher_only": False, "decipher_only": False, "key_cert_sign": True, "crl_sign": True}
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name("Root"))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(utc_now() - YEAR)
            .not_valid_after(utc_now() + YEAR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .sign(self._key, hashes.SHA256())
        )


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
