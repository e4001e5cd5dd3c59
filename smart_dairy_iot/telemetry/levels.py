"""What the database's server can do for telemetry, and what a table makes use of.

Three levels, each with the same columns, indexes and rollups:

- `plain`: PostgreSQL alone; weekly native partitions below a view (`partitions`)
- `apache`: TimescaleDB's Apache edition; a hypertable (`hypertables`)
- `community`: its community edition, 2.18.1 or later; a hypertable with compression and a retention policy

What a table is, is read from the catalog and kept nowhere else, so it cannot be told wrong: a database that was
restored or copied is what it is. What is below what the server offers is raised by `conversion`, when a person asks for
it.
"""

import re

PLAIN, APACHE, COMMUNITY = LEVELS = ("plain", "apache", "community")

#: A table of before there were levels, neither partitioned nor a hypertable. It works, but nothing of it is dropped by
#: age; it is raised like any other.
ORDINARY = "ordinary"

# Whether `CREATE EXTENSION timescaledb` can succeed: the package is there *and* preloaded, so that its settings are
# known (what merely stands in PostgreSQL's file is not shown). Without the second condition the command kills the
# connection. In the database `postgres`, which belongs to the server's tools, it has no place.
_AVAILABLE = """
    SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
       AND EXISTS (SELECT FROM pg_settings WHERE starts_with(name, 'timescaledb.'))
       AND current_database() <> 'postgres'
"""
_CREATED = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')"
# TimescaleDB is a trusted extension: who may create schemas in the database may make it.
_MAY_CREATE = "SELECT has_database_privilege(current_database(), 'CREATE')"
_EDITION = "SELECT current_setting('timescaledb.license', true)"
_VERSION = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"

# TimescaleDB 2.16.0 to 2.18.0 ends an INSERT ... ON CONFLICT DO NOTHING at the first duplicate that it finds in a
# compressed chunk, without an error: the readings behind it would be lost. From the release notes of 2.18.1: "Don't
# abort additional INSERTs when hitting first conflict". Of those before 2.16 nobody has tried any.
_COMPRESSES_SAFELY = (2, 18, 1)


def detect(cr):
    """Make the extension where the server has it; the level that new tables get."""
    if not _is_available(cr):
        return PLAIN
    cr.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    return _edition(cr)


def offered(cr):
    """The level that `detect` would find, as far as that can be told without making the extension.

    Which edition the server has is known only once the extension is there; before, it is `apache` at the least.
    """
    if not _is_available(cr):
        return PLAIN
    return _edition(cr) if _value(cr, _CREATED) else APACHE


def level_of(cr, table):
    """The level of a telemetry table, `ordinary`, or None where there is no such table."""
    kind = _value(cr, "SELECT (SELECT relkind FROM pg_class WHERE oid = to_regclass(quote_ident(%s)))", [table])
    if kind is None:
        return None
    if kind == "v":
        return PLAIN
    compressed = None
    if _value(cr, _CREATED):
        cr.execute(
            "SELECT compression_enabled FROM timescaledb_information.hypertables"
            " WHERE hypertable_schema = current_schema AND hypertable_name = %s",
            [table],
        )
        compressed = next((compressed for (compressed,) in cr.fetchall()), None)
    return {None: ORDINARY, False: APACHE, True: COMMUNITY}[compressed]


def is_above(level, other):
    """Whether a level is higher than another; every one is higher than `ordinary`."""
    ranks = (ORDINARY, *LEVELS)
    return ranks.index(level) > ranks.index(other)


def _is_available(cr):
    return _value(cr, _AVAILABLE) and (_value(cr, _CREATED) or _value(cr, _MAY_CREATE))


def _edition(cr):
    has_compression = _value(cr, _EDITION) == "timescale" and _version(cr) >= _COMPRESSES_SAFELY
    return COMMUNITY if has_compression else APACHE


def _version(cr):
    """The extension's version as a tuple of numbers; one that is being developed counts as what it will be."""
    return tuple(int(number) for number in re.match(r"\d+(\.\d+)*", _value(cr, _VERSION))[0].split("."))


def _value(cr, statement, parameters=None):
    cr.execute(statement, parameters)
    return cr.fetchone()[0]
