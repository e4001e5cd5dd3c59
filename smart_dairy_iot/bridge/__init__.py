"""The process between the broker and the database.

It receives what devices publish, checks it, stores it in batches and acknowledges it only after the commit; and it
publishes what Odoo put into the outbox. Nothing in this package imports Odoo: it runs, and is tested, without it.

    client (paho thread) -> Pipeline.submit -> queue -> writer thread: Decoder -> Store -> commit -> acknowledge

`shift.Shift` ties the parts together; `runner.Bridge` has one while it leads, and is what the server, the worker and
the command start.
"""
