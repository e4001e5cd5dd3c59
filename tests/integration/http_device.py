"""A device that has no MQTT: it sends over HTTP, with the credentials of its provisioning."""

import base64
import json
import urllib.error
import urllib.request


class HttpDevice:
    """Speaks for a provisioned device."""

    def __init__(self, server, device):
        self._address = f"{server.url}/api/v1/iot/devices/{device.device_id}"
        credentials = f"{device.credentials.username}:{device.credentials.password}".encode()
        self._headers = {
            "Authorization": f"Basic {base64.b64encode(credentials).decode()}",
            "Content-Type": "application/json",
        }

    def request(self, method, path, body=None, **headers):
        """(status, text of the body)"""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._address}{path}", data, {**self._headers, **headers}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def send(self, messages):
        status, text = self.request("POST", "/telemetry", messages)
        return status, json.loads(text)
