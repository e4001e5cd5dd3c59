"""Telemetry: what a kind of reading is (`spec`), and its tables in PostgreSQL or TimescaleDB (`tables`, `levels`).

No Odoo in here: the ORM's side is `models/iot_telemetry_mixin.py`.
"""
