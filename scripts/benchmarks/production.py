"""What runs around the bridge in production: the reactors in a process of their own, and the web server."""

import contextlib
import secrets
import time
from collections.abc import Iterator

from passlib.context import CryptContext

from simulation.rpc import OdooClient
from stack.service import Service
from stack.shell import StackError

from .farm import DATABASE, BenchFarm

_PATIENCE_SECONDS = 300
# As Odoo hashes its API keys, and the digits by which it finds them.
_HASHES = CryptContext(["pbkdf2_sha512"], pbkdf2_sha512__rounds=6000)
_INDEX_DIGITS = 8


class ReactorProcess(Service):
    """`odoo-bin iot_bridge --reactors only`: the inbox is seen to beside the bridge."""

    name = "iot_reactors"

    def __init__(self, instance):
        super().__init__(instance.directory / "reactors")
        self._instance = instance

    def start(self) -> "ReactorProcess":
        command = self._instance.command("iot_bridge", "-d", self._instance.database, "--reactors", "only")
        self.spawn(command, env=self._instance.environ(), cwd=self.directory)
        return self


@contextlib.contextmanager
def serving(farm: BenchFarm) -> Iterator[OdooClient]:
    """The web server, to its administrator. A bridge of the farm that runs already leads; the server's stands by."""
    with farm.instance:
        yield OdooClient(farm.instance.url, DATABASE, "admin", "admin", timeout=600)


def wait_inbox_empty(farm: BenchFarm) -> None:
    """Wait until the reactors have seen to everything that is in the inbox.

    :raises StackError: where they have not after five minutes
    """
    end = time.monotonic() + _PATIENCE_SECONDS
    while waiting := farm.rows("SELECT count(*) FROM iot_inbox WHERE state = 'new'")[0][0]:
        if time.monotonic() > end:
            raise StackError(f"{waiting:,} messages wait in the inbox.")
        time.sleep(0.2)


def new_api_key(farm: BenchFarm) -> str:
    """An API key of the administrator's, as he would make it in his preferences; those ask for his password."""
    key = secrets.token_hex(20)
    farm.rows(
        "INSERT INTO res_users_apikeys (name, user_id, scope, key, index)"
        " SELECT 'bench', id, 'rpc', %s, %s FROM res_users WHERE login = 'admin'",
        _HASHES.hash(key),
        key[:_INDEX_DIGITS],
    )
    return key
