"""A small disk for the scene's database, which can be filled: a tmpfs with a tablespace. Needs root, and mount(2).

The write-ahead log stays where it was: a server that cannot write that stops itself, which is `postgres_killed`.
"""

import contextlib
import os
from collections.abc import Iterator

import psycopg2
from psycopg2 import sql

from stack.postgres import PostgresCluster
from stack.service import give_to_account
from stack.shell import StackError, run

from .skip import CannotBreak

_MB = 2**20
_SIZE_MB = 1024
_TABLESPACE = sql.Identifier("fault_small_disk")


class SmallDisk:
    """The disk, mounted at ``directory``."""

    _disks = {}

    def __init__(self, directory):
        self._directory = directory
        self._ballast = directory / "ballast"

    @classmethod
    def of(cls, scene) -> "SmallDisk":
        """The one that `around` has mounted for the scene."""
        return cls._disks[scene]

    @classmethod
    @contextlib.contextmanager
    def around(cls, scene) -> Iterator[None]:
        """Have the scene's database on a small disk; its bridges are stopped before and after.

        :raises CannotBreak: where that is not allowed here
        """
        if os.geteuid() or not isinstance(scene.bed.postgres, PostgresCluster):
            raise CannotBreak("a small disk needs root, for mount, and a PostgreSQL server of our own")
        directory = scene.bed.directory / f"{scene.database}_disk"
        directory.mkdir()
        try:
            run("mount", "-t", "tmpfs", "-o", f"size={_SIZE_MB}m", "tmpfs", directory, what="Mounting a small disk")
        except StackError as error:
            directory.rmdir()
            raise CannotBreak(str(error)) from None
        try:
            with _tablespace(scene, directory):
                cls._disks[scene] = cls(directory)
                yield
        finally:
            cls._disks.pop(scene, None)
            run("umount", directory, what="Taking the small disk away")
            directory.rmdir()

    def fill(self) -> None:
        """Leave no room."""
        with self._ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):  # ENOSPC is the point
            while True:
                file.write(b"\0" * _MB)
        # What is left is less than a megabyte, and more than a page.
        with (self._directory / "crumbs").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 4096)

    def free(self) -> None:
        """Make room again."""
        self._ballast.unlink()
        (self._directory / "crumbs").unlink()


@contextlib.contextmanager
def _tablespace(scene, directory):
    """The scene's database in a tablespace in the directory; no one may be connected to it before and after."""
    root = scene.bed.postgres.superuser()
    place = directory / "tablespace"
    place.mkdir(mode=0o700)
    give_to_account(place)
    scene.stop_bridges()
    scene.disconnect()
    _execute(root, "CREATE TABLESPACE {} LOCATION {}", _TABLESPACE, sql.Literal(str(place)))
    try:
        _move(root, scene.database, _TABLESPACE)
        yield
    finally:
        scene.stop_bridges()
        scene.disconnect()
        _move(root, scene.database, sql.Identifier("pg_default"))
        _execute(root, "DROP TABLESPACE {}", _TABLESPACE)


def _move(root, database, tablespace):
    _execute(root, "ALTER DATABASE {} SET TABLESPACE {}", sql.Identifier(database), tablespace)


def _execute(root, statement, *parts):
    """Run a statement that is not allowed in a transaction."""
    with contextlib.closing(psycopg2.connect(**root.dsn("postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(*parts))
