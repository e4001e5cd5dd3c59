"""Milkings that meters named know the name as it was sent; keys that were made here for nameless ones are none."""


def migrate(cr, version):
    # The poller's own names look like those made for nameless milkings, and are sent as names.
    cr.execute(
        r"""
        UPDATE milk_session SET wire_session_id = session_key
         WHERE wire_session_id IS NULL AND session_key IS NOT NULL
           AND (source = 'modbus' OR session_key !~ '-\d+-\d{8}T\d{9}Z$')
        """
    )
