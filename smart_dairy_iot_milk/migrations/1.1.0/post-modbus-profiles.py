"""Register maps: what was said of the whole map is said of each register, and the maps that came along get ranges.

Those maps are data that a user edits and an update leaves alone, so only a register that still is as it came is given
its range, and Afimilk's map only tells a milking by its flow where nobody has found its status register.
"""

from odoo.tools.sql import column_exists

_MM27BC = [
    ("yield_liters", 0, "float32", 0, 50),
    ("flow_rate", 2, "float32", 0, 15),
    ("conductivity", 4, "float32", 1, 20),
    ("temperature_celsius", 6, "float32", 0, 45),
    ("duration_seconds", 8, "uint16", 0, 7200),
    ("vacuum_pressure", 15, "uint16", 0, 100),
    ("pulsation_rate", 16, "uint16", 0, 120),
]
_AFIMILK = [
    ("yield_liters", 100, "float32", 0, 50),
    ("flow_rate", 102, "float32", 0, 15),
    ("fat_percentage", 104, "float32", 0, 10),
    ("protein_percentage", 106, "float32", 0, 10),
    ("lactose_percentage", 108, "float32", 0, 10),
    ("somatic_cell_count", 110, "uint32", 0, 20_000_000),
    ("conductivity", 112, "float32", 1, 20),
]
_CAME_ALONG = {"profile_delaval_mm27bc": _MM27BC, "profile_gea": _MM27BC, "profile_afimilk": _AFIMILK}


def migrate(cr, version):
    """:param version: the one installed before"""
    if column_exists(cr, "iot_modbus_profile", "register_type"):
        cr.execute("""
            UPDATE iot_modbus_profile_line line
               SET register_type = profile.register_type
              FROM iot_modbus_profile profile
             WHERE profile.id = line.profile_id AND profile.register_type IS NOT NULL
        """)
    for name, registers in _CAME_ALONG.items():
        cr.execute(
            """
            SELECT res_id FROM ir_model_data
             WHERE module = 'smart_dairy_iot_milk' AND model = 'iot.modbus.profile' AND name = %s
            """,
            [name],
        )
        for (profile_id,) in cr.fetchall():
            _set_ranges(cr, profile_id, registers)
            if name == "profile_afimilk":
                _tell_by_flow(cr, profile_id)


def _set_ranges(cr, profile_id, registers):
    for quantity, address, data_type, minimum, maximum in registers:
        cr.execute(
            """
            UPDATE iot_modbus_profile_line
               SET minimum = %s, maximum = %s
             WHERE profile_id = %s AND quantity = %s AND address = %s AND data_type = %s AND byte_order = 'ABCD'
               AND scale = 1 AND coalesce(value_offset, 0) = 0
               AND coalesce(minimum, 0) = 0 AND coalesce(maximum, 0) = 0
            """,
            [minimum, maximum, profile_id, quantity, address, data_type],
        )


def _tell_by_flow(cr, profile_id):
    cr.execute(
        """
        UPDATE iot_modbus_profile profile
           SET milking_from = 'flow'
         WHERE id = %s AND milking_from = 'status'
           AND NOT EXISTS (SELECT FROM iot_modbus_profile_line WHERE profile_id = profile.id AND quantity = 'milking')
           AND EXISTS (SELECT FROM iot_modbus_profile_line WHERE profile_id = profile.id AND quantity = 'flow_rate')
        """,
        [profile_id],
    )
