"""Reads milk meters over Modbus TCP, RTU over TCP and serial lines, without the ORM.

`profile` is the register map as data and `blocks` the requests that read it, `decode` turns registers into values,
`endpoint` says where a meter is reached, `client` is one connection to one endpoint, `bus` polls the meters behind an
endpoint, `tracker` finds where a milking begins and ends, `payload` puts a reading into the form of a milk-meter
message, `delivery` hands messages on without loss, `registry` reads what to poll from the database, and `poller` is the
worker that holds them together. Imports are relative: the package also runs and is tested without Odoo.
"""
