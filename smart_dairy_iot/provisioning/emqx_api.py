"""EMQX's REST API, as far as the device register needs it: connections are ended, looked-up rights are forgotten."""

import requests

from .base import BrokerUnreachable

CONNECT_TIMEOUT_S = 3
ANSWER_TIMEOUT_S = 10
"""Seconds for connecting, and for the answer to one request. A user may be waiting for it in the web client."""

KICKED_AT_ONCE = 1000
CACHES_ONE_BY_ONE = 50
"""For more clients than this the broker is told to forget what it has looked up for everybody."""


class EmqxApi:
    """EMQX's REST API at the address and with the key of `config` (see `bridge.config.Config`).

    Used as a context manager; a method that fails raises `BrokerUnreachable`: it is never one client's fault. All
    methods may be repeated, and none minds a client that is not connected.
    """

    def __init__(self, config):
        self._url = config.emqx_api_url.rstrip("/")
        self._session = requests.Session()
        # The key is for this server alone: no proxy and no .netrc of the process' surroundings.
        self._session.trust_env = False
        self._session.auth = (config.emqx_api_key, config.emqx_api_password)
        self._session.verify = config.mqtt_ca_file or True

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._session.close()

    def kick(self, client_ids):
        """End the connections of these clients, and their sessions, on whichever node they are."""
        for start in range(0, len(client_ids), KICKED_AT_ONCE):
            self._request("POST", "/clients/kickout/bulk", json=client_ids[start : start + KICKED_AT_ONCE])

    def forget_rights(self, client_ids):
        """Have the broker look the rights of these clients up anew, instead of within its cache's minute."""
        if len(client_ids) > CACHES_ONE_BY_ONE:
            self._request("DELETE", "/authorization/cache")
            return
        for client_id in client_ids:
            # A client id is of [A-Za-z0-9_-]: the authentication database has no others.
            self._request("DELETE", f"/clients/{client_id}/authorization/cache", unknown_is_fine=True)

    def _request(self, method, path, unknown_is_fine=False, json=None):
        try:
            response = self._session.request(
                method,
                self._url + path,
                json=json,
                timeout=(CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S),
                allow_redirects=False,
            )
        except requests.Timeout as error:
            raise BrokerUnreachable(
                f"EMQX's REST API at {self._url} did not answer within {ANSWER_TIMEOUT_S} seconds."
            ) from error
        except requests.exceptions.SSLError as error:
            raise BrokerUnreachable(
                f"EMQX's REST API at {self._url} has a certificate that is not trusted: set mqtt_ca_file."
            ) from error
        except requests.RequestException as error:
            raise BrokerUnreachable(f"EMQX's REST API at {self._url} cannot be reached: is EMQX running?") from error
        if response.status_code in (401, 403):
            raise BrokerUnreachable(
                f"EMQX's REST API at {self._url} refused the key: set emqx_api_key and emqx_api_password to one of its"
                " API keys."
            )
        if not response.ok or response.is_redirect:
            if unknown_is_fine and response.status_code == 404 and _code(response) == "CLIENTID_NOT_FOUND":
                return
            raise BrokerUnreachable(
                f"EMQX's REST API at {self._url} answered {method} {path} with status {response.status_code}"
                f"{_in_brackets(_code(response))}."
            )


def _code(response):
    """EMQX's own word for the error, empty where the answer is not EMQX's."""
    try:
        answer = response.json()
    except requests.exceptions.JSONDecodeError:
        return ""
    return str(answer.get("code", "")) if isinstance(answer, dict) else ""


def _in_brackets(text):
    return f" ({text})" if text else ""
