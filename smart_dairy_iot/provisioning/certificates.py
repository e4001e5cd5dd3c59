"""X.509 for devices: a certificate authority of the platform's own, the certificates it issues, and what it revoked.

Knows neither Odoo nor its database, and keeps nothing: who calls it decides what becomes of a key. All moments are
naive UTC. It works with every version of `cryptography` from 3.4.8 on, which Odoo 17.0 pins for Python 3.10: that is
why chains are split and signatures compared here, which later versions do by themselves.

What is issued is for one purpose, to identify a device at the broker (client authentication), under one name, the
common name. From a device's request the public key is taken and nothing else: neither subject nor alternative names.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLOCK_SKEW = timedelta(hours=1)
"""Certificates and lists are valid from this much earlier: a clock may be slow."""

CRL_VALIDITY = timedelta(days=7)
"""How long a revocation list is good. A broker that has only an older one refuses every certificate, so the list is
renewed when half of the time has passed: three and a half days are left to mend what keeps it from being renewed."""

PASSPHRASE_BYTES = 16
RSA_BITS = (2048, 8192)
"""The least that is safe for the years a device serves (NIST SP 800-57), and the most that a broker is to verify."""

CURVES = ("secp256r1", "secp384r1", "secp521r1")
WEAK_HASHES = ("md5", "sha1")

REASONS = {
    "unspecified": None,
    "key_compromise": x509.ReasonFlags.key_compromise,
    "superseded": x509.ReasonFlags.superseded,
    "cessation_of_operation": x509.ReasonFlags.cessation_of_operation,
    "privilege_withdrawn": x509.ReasonFlags.privilege_withdrawn,
}
"""Why a certificate was revoked → RFC 5280, 5.3.1, which wants no entry for “unspecified”."""

_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class CertificateError(Exception):
    """What was given cannot be used, or not for this. Its text is one sentence that a user can act on."""


@dataclass(frozen=True)
class CertificateFacts:
    """What the register keeps of a certificate. Serial number and SHA-256 fingerprint are in hex, lower case."""

    cn: str
    serial_number: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    pem: str


@dataclass(frozen=True)
class Revoked:
    """One entry of a revocation list; `reason` is one of `REASONS`."""

    serial_number: str
    revoked_at: datetime
    reason: str = "unspecified"


@dataclass(frozen=True)
class RevocationList:
    """A signed revocation list; whoever has only this one refuses every certificate after `next_update`."""

    pem: str
    number: int
    this_update: datetime
    next_update: datetime

    @property
    def half_life(self):
        """When it should have been replaced."""
        return self.this_update + (self.next_update - self.this_update) / 2


@dataclass(frozen=True)
class KeyBundle:
    """A certificate with the key made for it, as a PKCS#12 file, and the passphrase that opens it."""

    certificate: CertificateFacts
    pkcs12: bytes
    passphrase: str

    def __repr__(self):
        # Neither key nor passphrase must get into a log.
        return f"KeyBundle({self.certificate.cn!r})"


class Authority:
    """A certificate authority for devices: its certificate, the key, and the certificates above it up to the root."""

    def __init__(self, certificate, key, chain=()):
        self.certificate = certificate
        self._key = key
        self.chain = tuple(chain)

    # ------------------------------------------------------------------ where one comes from

    @classmethod
    def generate(cls, name, days, now):
        """A new authority that signs itself, over a new key (EC P-256: every TLS stack of a small device knows it).

        :param name: its common name
        :param days: how long it is to be valid
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        certificate = (
            _builder(subject, subject, key.public_key(), now, now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, certificate, key, chain=b""):
        """One that is known already, from its PEM texts (bytes); the key is not encrypted."""
        loaded = cls(_load_certificate(certificate), _load_key(key, None), _load_chain(chain))
        loaded._check_key_matches()
        return loaded

    @classmethod
    def import_intermediate(cls, certificate, key, passphrase, chain, now):
        """An authority that was made elsewhere.

        :param certificate: PEM or DER
        :param key: PEM
        :param passphrase: of the key, None or empty where it has none
        :param chain: PEM of the certificates above it in any order; a root may be among them or be the certificate
        :raises CertificateError: when it is no authority, may not sign, is not valid now, when the key is another's, or
            when the chain does not lead to a root
        """
        issuer = _load_certificate(certificate)
        loaded = cls(issuer, _load_key(key, passphrase), _ordered_chain(issuer, _load_chain(chain)))
        for member in (issuer, *loaded.chain):
            _check_may_sign(member, now)
        loaded._check_key_matches()
        return loaded

    def _check_key_matches(self):
        if _public_bytes(self._key.public_key()) != _public_bytes(self.certificate.public_key()):
            raise CertificateError("The key is not that of the certificate.")

    # ------------------------------------------------------------------ what it tells

    @property
    def facts(self):
        return describe(self.certificate)

    @property
    def chain_pem(self):
        """The certificates above it, up to the root, as one PEM text; empty for one that signed itself."""
        return "".join(_pem(member) for member in self.chain)

    def key_pem(self):
        """The key, not encrypted: bytes for a file that only its owner reads."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    # ------------------------------------------------------------------ what it signs

    def issue(self, csr, cn, not_after, crl_url, now):
        """A certificate for the key of a device's request.

        :param csr: the request, PEM or DER, bytes
        :param cn: what the device is called at the broker; it replaces whatever subject the request has
        :param not_after: until when; cut to the authority's own end
        :param crl_url: where the authority's revocation list is published
        :returns: `CertificateFacts`
        :raises CertificateError: when the request is none, is not signed with its key, or the key is weak
        """
        return describe(self._sign(_requested_key(csr), cn, not_after, crl_url, now))

    def issue_with_key(self, cn, not_after, crl_url, now):
        """A certificate over a key made here, for devices that cannot make one; arguments as for `issue`.

        :returns: `KeyBundle`, all there is of the key and the passphrase
        """
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(key.public_key(), cn, not_after, crl_url, now)
        passphrase = secrets.token_urlsafe(PASSPHRASE_BYTES)
        bundle = pkcs12.serialize_key_and_certificates(
            cn.encode(),
            key,
            certificate,
            [self.certificate, *self.chain],
            serialization.BestAvailableEncryption(passphrase.encode()),
        )
        return KeyBundle(describe(certificate), bundle, passphrase)

    def _sign(self, public_key, cn, not_after, crl_url, now):
        end = min(not_after, _moment(self.certificate, "not_valid_after"))
        if end <= now:
            raise CertificateError(
                "The certificate would be expired already: choose a later end, or renew the device CA."
            )
        builder = (
            _builder(_name(cn), self.certificate.subject, public_key, now, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(self._authority_key_identifier(), critical=False)
            .add_extension(
                x509.CRLDistributionPoints([x509.DistributionPoint(_uri(crl_url), None, None, None)]), critical=False
            )
        )
        return builder.sign(self._key, self._hash())

    def sign_crl(self, revoked, number, crl_url, now):
        """The list of what is revoked, good for `CRL_VALIDITY`.

        It names the place it is published at (issuing distribution point): EMQX heeds no list without one, and OpenSSL
        wants it to be the certificates' own.

        :param revoked: iterable of `Revoked`
        :param number: higher than that of every earlier list
        :returns: `RevocationList`
        """
        # A list has whole seconds.
        now = now.replace(microsecond=0)
        next_update = now + CRL_VALIDITY
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - CLOCK_SKEW)
            .next_update(next_update)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(self._authority_key_identifier(), critical=False)
            .add_extension(
                x509.IssuingDistributionPoint(_uri(crl_url), None, False, False, None, False, False), critical=True
            )
        )
        for entry in revoked:
            builder = builder.add_revoked_certificate(_revoked_certificate(entry))
        signed = builder.sign(self._key, self._hash())
        pem = signed.public_bytes(serialization.Encoding.PEM).decode()
        return RevocationList(pem, number, now, next_update)

    def _authority_key_identifier(self):
        try:
            identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        except x509.ExtensionNotFound:
            return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.certificate.public_key())
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)

    def _hash(self):
        return None if isinstance(self._key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


# ---------------------------------------------------------------------- reading


def describe(certificate):
    """The `CertificateFacts` of a certificate: an object, or PEM or DER as bytes."""
    if isinstance(certificate, bytes):
        certificate = _load_certificate(certificate)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return CertificateFacts(
        cn=names[0].value if names else certificate.subject.rfc4514_string(),
        serial_number=f"{certificate.serial_number:x}",
        not_before=_moment(certificate, "not_valid_before"),
        not_after=_moment(certificate, "not_valid_after"),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        pem=_pem(certificate),
    )


def crl_der(pem):
    """A revocation list in DER, from its PEM text."""
    return x509.load_pem_x509_crl(pem.encode()).public_bytes(serialization.Encoding.DER)


def _load_certificate(content):
    try:
        if b"-----BEGIN" in content:
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except ValueError as error:
        raise CertificateError("This is no X.509 certificate, neither as PEM nor as DER.") from error


def _load_chain(content):
    return [_load_certificate(text) for text in _PEM_CERTIFICATE.findall(content or b"")]


def _load_key(content, passphrase):
    try:
        key = serialization.load_pem_private_key(content, passphrase.encode() if passphrase else None)
    except TypeError as error:
        problem = "has no passphrase, but one was given" if passphrase else "is encrypted: its passphrase is missing"
        raise CertificateError(f"The private key {problem}.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError("This is no private key in PEM, or the passphrase is not its own.") from error
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey)):
        raise CertificateError("The private key is of a kind that is not known here: use EC, RSA or Ed25519.")
    return key


def _requested_key(content):
    try:
        load = x509.load_pem_x509_csr if b"-----BEGIN" in content else x509.load_der_x509_csr
        request = load(content)
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError("This is no certificate request (CSR), neither as PEM nor as DER.") from error
    # Before the signature: that of a key of any size may take a long time.
    _check_strength(key)
    if not _is_signed(request):
        raise CertificateError("The request is not signed with its own key: whoever made it may not have the key.")
    return key


def _is_signed(request):
    try:
        return request.is_signature_valid
    except (UnsupportedAlgorithm, ValueError):
        return False


def _check_strength(key):
    if isinstance(key, rsa.RSAPublicKey):
        least, most = RSA_BITS
        if not least <= key.key_size <= most:
            raise CertificateError(f"An RSA key of {key.key_size} bits is not taken: it must have {least} to {most}.")
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in CURVES:
            raise CertificateError(f"The curve {key.curve.name} is not taken: use P-256, P-384 or P-521.")
    elif not isinstance(key, ed25519.Ed25519PublicKey):
        raise CertificateError("The key is of a kind that is not taken: use EC, RSA or Ed25519.")


# ---------------------------------------------------------------------- an authority from elsewhere


def _check_may_sign(certificate, now):
    name = certificate.subject.rfc4514_string()
    constraints = _extension(certificate, x509.BasicConstraints)
    if not constraints or not constraints.ca:
        raise CertificateError(f"“{name}” is not the certificate of an authority: it does not say CA:TRUE.")
    usage = _extension(certificate, x509.KeyUsage)
    if usage and not (usage.key_cert_sign and usage.crl_sign):
        raise CertificateError(f"“{name}” may not sign certificates and revocation lists, by its key usage.")
    if not _moment(certificate, "not_valid_before") <= now < _moment(certificate, "not_valid_after"):
        raise CertificateError(f"“{name}” is not valid now: it has expired, or its time has not come.")
    _check_strength(certificate.public_key())


def _ordered_chain(certificate, others):
    """The certificates above one, each the issuer of the one before, up to a root that signed itself."""
    ordered = []
    while certificate.issuer != certificate.subject:
        issuer = next((other for other in others if _issued(other, certificate)), None)
        name = certificate.subject.rfc4514_string()
        if issuer is None or issuer in ordered:
            raise CertificateError(
                f"The chain does not lead to a root: the certificate that issued “{name}” is missing."
            )
        if (certificate.signature_hash_algorithm or hashes.SHA256()).name in WEAK_HASHES:
            raise CertificateError(f"“{name}” was signed with a hash that is not safe.")
        ordered.append(issuer)
        certificate = issuer
    if not _issued(certificate, certificate):
        raise CertificateError("The root of the chain is not signed by itself.")
    return ordered


def _issued(issuer, certificate):
    if issuer.subject != certificate.issuer:
        return False
    key = issuer.public_key()
    signature, signed = certificate.signature, certificate.tbs_certificate_bytes
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), certificate.signature_hash_algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(certificate.signature_hash_algorithm))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


# ---------------------------------------------------------------------- building blocks


def _builder(subject, issuer, public_key, now, not_after):
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(not_after)
    )


def _revoked_certificate(entry):
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(int(entry.serial_number, 16))
        .revocation_date(entry.revoked_at.replace(microsecond=0))
    )
    reason = REASONS[entry.reason]
    if reason:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    return builder.build()


def _key_usage(**allowed):
    return x509.KeyUsage(**{**dict.fromkeys(_KEY_USAGES, False), **allowed})


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _uri(address):
    return [x509.UniformResourceIdentifier(address)]


def _extension(certificate, kind):
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _moment(certificate, name):
    """A moment of a certificate in naive UTC: from 42 on the naive one is deprecated, before there is no other."""
    aware = getattr(certificate, f"{name}_utc", None)
    return aware.replace(tzinfo=None) if aware else getattr(certificate, name)


def _public_bytes(key):
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
