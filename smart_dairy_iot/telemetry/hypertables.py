"""The levels `apache` and `community`: a hypertable of TimescaleDB, and its policies."""

from psycopg2 import sql

CHUNK_INTERVAL = "7 days"

#: Older chunks are compressed (community edition). What comes later than that is still stored, and still only once:
#: TimescaleDB looks for a duplicate in the compressed chunk too.
COMPRESS_AFTER_DAYS = 7


def make_hypertable(cr, table):
    """Turn an empty table into a hypertable."""
    cr.execute(
        "SELECT create_hypertable(quote_ident(%s)::regclass, 'timestamp',"
        " chunk_time_interval => %s::interval, create_default_indexes => false)",
        [table, CHUNK_INTERVAL],
    )


def enable_compression(cr, table):
    """Have chunks compressed once they are a week old. The rows of a device stand together, in the order of time."""
    cr.execute(
        sql.SQL(
            "ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_segmentby = 'iot_device_id',"
            " timescaledb.compress_orderby = 'timestamp, channel')"
        ).format(sql.Identifier(table))
    )
    cr.execute(
        "SELECT add_compression_policy(quote_ident(%s)::regclass, compress_after => make_interval(days => %s),"
        " if_not_exists => true)",
        [table, COMPRESS_AFTER_DAYS],
    )


def keep_for(cr, table, days):
    """Have TimescaleDB's own job drop chunks of which every reading is older than so many days (community edition)."""
    cr.execute(
        "SELECT (config ->> 'drop_after')::interval = make_interval(days => %s)"
        "  FROM timescaledb_information.jobs"
        " WHERE proc_name = 'policy_retention' AND hypertable_schema = current_schema AND hypertable_name = %s",
        [days, table],
    )
    if cr.fetchone() == (True,):
        return
    cr.execute("SELECT remove_retention_policy(quote_ident(%s)::regclass, if_exists => true)", [table])
    cr.execute(
        "SELECT add_retention_policy(quote_ident(%s)::regclass, drop_after => make_interval(days => %s))",
        [table, days],
    )


def drop_chunks(cr, table, before):
    """Drop the chunks of which every reading is older than `before`; their names."""
    cr.execute("SELECT drop_chunks(quote_ident(%s)::regclass, older_than => %s::timestamp)", [table, before])
    return [name for (name,) in cr.fetchall()]
