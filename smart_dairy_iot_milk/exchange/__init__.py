"""Milk in other people's units and formats. Nothing here needs Odoo."""
