"""EMQX's authentication database as docker/emqx makes it, on a server of ours: for what needs the tables alone."""

import os

from .paths import ROOT
from .postgres import PostgresCluster
from .shell import new_secret, run

INIT_SCRIPTS = ROOT / "docker" / "emqx" / "init-scripts"


class EmqxTables:
    """A database of its own with the tables and roles, dropped afterwards; a context manager.

    The roles belong to the whole server, so their passwords are the same for all such databases on it: the owner's.
    """

    def __init__(self, postgres: PostgresCluster):
        self._postgres = postgres
        self.database = f"emqx_auth_{new_secret().lower().replace('-', '_')[:12]}"

    def __enter__(self) -> "EmqxTables":
        superuser = self._postgres.superuser()
        superuser.create_database(self.database)
        superuser.query(self.database, (INIT_SCRIPTS / "01-auth-schema.sql").read_text())
        password = self._postgres.password
        environ = os.environ | superuser.environ()
        environ |= {"POSTGRES_USER": superuser.user, "POSTGRES_DB": self.database}
        environ |= {"EMQX_BROKER_DB_PASSWORD": password, "SMART_DAIRY_MQTT_AUTH_DB_PASSWORD": password}
        environ["PATH"] = f"{superuser.bin_dir}{os.pathsep}{environ['PATH']}"
        run("sh", INIT_SCRIPTS / "02-roles.sh", env=environ, what="Making the roles of EMQX's database")
        return self

    def __exit__(self, *exc_info) -> None:
        self._postgres.superuser().drop_database(self.database)

    def dsn(self, role: str = "emqx_provisioning") -> dict[str, str | int]:
        """psycopg2.connect's keywords for one of the roles: emqx_broker or emqx_provisioning."""
        return self._postgres.dsn(self.database) | {"user": role}

    def settings(self) -> dict[str, str]:
        """The keys of the section [smart_dairy_iot] in Odoo's configuration that lead to these tables."""
        dsn = self.dsn()
        return {
            "mqtt_broker_type": "emqx",
            "mqtt_auth_db_host": dsn["host"],
            "mqtt_auth_db_port": str(dsn["port"]),
            "mqtt_auth_db_name": self.database,
            "mqtt_auth_db_user": dsn["user"],
            "mqtt_auth_db_password": dsn["password"],
        }

    def active_users(self) -> int:
        """How many users may connect."""
        ((count,),) = self._postgres.superuser().query(self.database, "SELECT count(*) FROM v_active_devices")
        return int(count)
