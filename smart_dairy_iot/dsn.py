"""How the parts that have connections of their own reach the database that Odoo itself uses."""

import odoo


def connection_parameters(db_name):
    """dict of keyword arguments of `psycopg2.connect`"""
    _name, parameters = odoo.sql_db.connection_info_for(db_name)
    return {key: value for key, value in parameters.items() if key != "application_name"}
