"""What the PDF of a report is rendered with."""

from odoo import api, models

from ..exchange import printed


class MilkReportDocument(models.AbstractModel):
    _name = "report.smart_dairy_iot_milk.milk_report_document"
    _description = "Milk Report as PDF"

    @api.model
    def _get_report_values(self, docids, data=None):
        wizards = self.env["milk.report.wizard"].browse(docids)
        reports = [wizard._make() for wizard in wizards]
        return {
            "doc_ids": docids,
            "doc_model": wizards._name,
            "docs": wizards,
            "reports": [{**report, "pages": printed.pages(report)} for report in reports],
        }
