"""Who calls the API: a user by an API key of his, or a device by its own credentials."""

import hmac
import logging
from dataclasses import dataclass

from odoo import _, fields
from odoo.http import request

from ...models.iot_device_provisioning import CONNECTABLE_STATES
from ...provisioning import PasswordHash
from .errors import ApiError
from .limits import RateLimiter

_logger = logging.getLogger(__name__)

SCOPE = "rpc"
"""Of the API keys that Odoo's users make in their preferences."""

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Smart Dairy IoT"'}
"""Not Basic, which would have a browser ask its user for a password."""

PREFIX_DIGITS = 8
"""By so many Odoo finds a key; they are its name, so to speak."""

LONGEST_NAME = 80
"""Of a caller, as far as failed logins are told apart by it: longer than any device's user name."""

NAMES_PER_ADDRESS = 20
"""So many callers of one address may use up their failed logins in a minute, before none of it is heard."""

LIMITER = RateLimiter()


@dataclass(frozen=True)
class CallerUser:
    """A user of Odoo: the request's environment is his, with his rights and no more."""

    user: object
    kind: str = "user"

    @property
    def key(self):
        """Which caller this is, among all."""
        return f"user:{self.user.id}"


@dataclass(frozen=True)
class CallerDevice:
    """A device. It has no user: the environment is the public one, which may nothing, and `device` is a superuser's
    record, for the device decides by its path alone what it may: it is let to its own only."""

    device: object
    kind: str = "device"

    @property
    def key(self):
        """Which caller this is, among all."""
        return f"device:{self.device.id}"


@dataclass(frozen=True)
class Anybody:
    """Who reads what is public: the environment is the public user's."""

    address: str
    kind: str = "anybody"

    @property
    def key(self):
        """Which caller this is, among all."""
        return f"address:{self.address}"


def identify(config):
    """The caller of the present request; its environment becomes the caller's.

    :param config: `bridge.config.Config`
    :raises ApiError: 401 without good credentials, 429 after too many bad ones
    """
    authorization = request.httprequest.headers.get("Authorization", "")
    scheme, _blank, value = authorization.partition(" ")
    api_key = value.strip()
    given = request.httprequest.authorization
    if scheme.lower() == "bearer":
        name, find = api_key[:PREFIX_DIGITS], lambda: _user_of(api_key)
    elif scheme.lower() == "basic" and given and given.username:
        name, find = given.username[:LONGEST_NAME], lambda: _device_of(given.username, given.password or "")
    else:
        raise _unauthorized(_("Give an API key (Authorization: Bearer …), or a device's user name and password."))
    attempts = _Attempts(name, config)
    attempts.check()
    caller = find()
    if caller is None:
        attempts.count()
        _logger.info("API: refused credentials from %s", request.httprequest.remote_addr)
        raise _unauthorized(_("These credentials are not good, or no longer."))
    return caller


class _Attempts:
    """Failed logins in this minute: under a name from an address, and from the address under all names.

    All of a farm have one address. A device that was not told its new password must not keep out the others, so a name
    has its own limit; whoever goes through names meets the address's.
    """

    def __init__(self, name, config):
        of_address = ("failed", request.db, request.httprequest.remote_addr)
        most = config.api_failed_logins_per_minute
        self._limits = {of_address: most * NAMES_PER_ADDRESS, (*of_address, name): most}

    def check(self):
        """:raises ApiError: 429 where there were too many"""
        if any(LIMITER.counted(key) >= most for key, most in self._limits.items()):
            raise rate_limited()

    def count(self):
        """Note one more."""
        for key in self._limits:
            LIMITER.count(key)


def anybody():
    """The caller of what is public; the environment becomes the public user's."""
    request.update_env(user=request.env.ref("base.public_user").id)
    return Anybody(request.httprequest.remote_addr)


def check_rate(caller, config):
    """:raises ApiError: 429 where the caller has made all the requests that he may make in this minute"""
    if LIMITER.count(("requests", request.db, caller.key)) > config.api_requests_per_minute:
        raise rate_limited()


def is_first_refusal(caller):
    """Whether it is the first in this minute that is refused for its being too many."""
    return LIMITER.count(("refused", request.db, caller.key)) == 1


def rate_limited():
    """The error of who calls too often."""
    seconds = LIMITER.seconds_left()
    message = _("Too many requests: try again in %s seconds.", seconds)
    return ApiError(429, message, headers={"Retry-After": str(seconds)})


def _unauthorized(message):
    return ApiError(401, message, headers=CHALLENGE)


def _user_of(api_key):
    if not api_key or "\0" in api_key:
        return None
    # Odoo compares with hashes in a table that nobody may read.
    user_id = request.env["res.users.apikeys"]._check_credentials(scope=SCOPE, key=api_key)
    if not user_id:
        return None
    request.update_env(user=user_id)
    request.update_context(**request.env["res.users"].context_get())
    return CallerUser(request.env.user)


def _device_of(username, password):
    if "\0" in username:
        return None
    # Superuser: nobody is known yet, and the hash is for this comparison alone.
    devices = request.env["iot.device"].sudo()
    device = devices.search([("mqtt_username", "=", username), ("state", "in", CONNECTABLE_STATES)])
    if not device or not _has_password(device, password):
        return None
    request.update_env(user=request.env.ref("base.public_user").id)
    # Superuser: see CallerDevice.
    return CallerDevice(device.with_env(request.env).sudo())


def _has_password(device, password):
    good = [(device.mqtt_password_hash, device.mqtt_password_salt)]
    if device.previous_password_until and device.previous_password_until > fields.Datetime.now():
        good.append((device.mqtt_previous_hash, device.mqtt_previous_salt))
    return device.auth_method == "password" and any(
        digest and hmac.compare_digest(PasswordHash.of(password, salt).digest, digest) for digest, salt in good
    )
