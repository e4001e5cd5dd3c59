"""Reads milk meters over Modbus TCP, RTU over TCP and serial lines, without the ORM.

`profile` is the register map as data and `blocks` the requests that read it, `decode` turns registers into values,
`endpoint` says where a meter is reached, `client` is one connection to one endpoint, `bus` polls the milking points
behind an endpoint, by the `activity` of their farms, and notes their meters' `health`. `tracker` finds where a milking
begins and ends, by the decisions in `continuity` or by its `flow`; `payload` puts a reading into the form of a
milk-meter message, and `delivery` hands messages on without loss. `registry` is the poller's connection to the database
and its lock, by its `statements`, and `meters` what it reads there; `watch` keeps all in step, `poller` is the worker
that holds it together. Imports are relative: the package also runs and is tested without Odoo.
"""
