"""Takes the addons from Odoo 17.0, for which they are written, to 19.0.

The work is mechanical and closed: a construct is changed because it is known to differ, kept because it is known to
be the same, and otherwise refused, with its file, its line and what to write instead. One run over the source yields
both: the ported text, which `scripts/port.py` writes, and the findings, which `scripts/lint_series.py` prints.

    addons.py       finds the addons, sends each file to its kind, writes the result
    python.py       models, controllers, tests
    constraints.py  the constraints of a model
    manifest.py     `__manifest__.py`
    data_files.py   records in XML and CSV, QWeb templates
    groups.py       groups, their categories and privileges
    views.py        the architecture of a view
    javascript.py   the web client's modules and tours
    known.py        what is known of the two series: the tables that the others look things up in
    known_web.py    the same for the web client

Whoever meets a refusal of something harmless compares the two sources and adds it to these tables.
"""
