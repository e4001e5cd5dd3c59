"""Sheets of device labels, drawn as a PDF: A4 with 3 × 8 labels of 63.5 × 33.9 mm, the common address label.

Nothing secret is on a label: whoever walks past can read it.
"""

import io
from dataclasses import dataclass

from reportlab.graphics.barcode.qrencoder import QR8bitByte, QRCode, QRErrorCorrectLevel
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from odoo.tools.misc import file_path

COLUMNS, ROWS = 3, 8
WIDTH, HEIGHT = 63.5 * mm, 33.9 * mm
GAP = 2.54 * mm
LEFT = (A4[0] - COLUMNS * WIDTH - (COLUMNS - 1) * GAP) / 2
TOP = (A4[1] - ROWS * HEIGHT) / 2
PADDING = 2.5 * mm
CODE_SIZE = 26 * mm
QUIET_MODULES = 4
"""The white frame that a QR code needs to be found."""

MASK = 0
"""Readers take every mask. To look for the best of the eight would take eight times as long, a minute for 10,000."""

FONT, BOLD = "SmartDairyLabel", "SmartDairyLabelBold"
FONT_FILES = {FONT: "Open_Sans/Open_Sans-Regular.ttf", BOLD: "Open_Sans/Open_Sans-Bold.ttf"}
SMALLEST_SIZE = 5


@dataclass(frozen=True)
class Label:
    """What is printed on a label; `url` is in its QR code."""

    device_id: str
    name: str
    username: str
    claim_code: str
    url: str


def draw_labels(labels):
    """A PDF (bytes) with a label for each `Label`, in their order, by rows."""
    for font, file in FONT_FILES.items():
        pdfmetrics.registerFont(TTFont(font, file_path(f"web/static/fonts/google/{file}")))
    output = io.BytesIO()
    canvas = Canvas(output, pagesize=A4, pageCompression=1)
    canvas.setTitle("Device labels")
    for number, label in enumerate(labels):
        place = number % (COLUMNS * ROWS)
        if number and not place:
            canvas.showPage()
        row, column = divmod(place, COLUMNS)
        _draw_label(canvas, label, LEFT + column * (WIDTH + GAP), A4[1] - TOP - (row + 1) * HEIGHT)
    canvas.save()
    return output.getvalue()


def qr_modules(text):
    """The QR code of a text: rows of booleans, True for dark; error correction M, which survives 15 % of dirt."""
    code = QRCode(None, QRErrorCorrectLevel.M)
    code.addData(QR8bitByte(text))
    code.version = code.calculate_version()
    code.makeImpl(False, MASK)
    return code.modules


def _draw_label(canvas, label, x, y):
    _draw_code(canvas, qr_modules(label.url), x + PADDING, y + (HEIGHT - CODE_SIZE) / 2)
    left = x + PADDING + CODE_SIZE + 1 * mm
    width = x + WIDTH - PADDING - left
    top = y + HEIGHT - PADDING
    _draw_line(canvas, label.device_id, BOLD, 11, left, top - 5 * mm, width)
    lines = simpleSplit(label.name, FONT, 7.5, width) or [""]
    for number, line in enumerate([*lines[:1], " ".join(lines[1:])]):
        _draw_line(canvas, line, FONT, 7.5, left, top - (9.5 + 3.3 * number) * mm, width)
    _draw_line(canvas, label.username, FONT, 6.5, left, top - 18.5 * mm, width)
    _draw_line(canvas, label.claim_code, BOLD, 7, left, top - 25 * mm, width)


def _draw_line(canvas, text, font, size, x, y, width):
    """One line, made smaller and at last cut where it is too long."""
    size = max(SMALLEST_SIZE, min(size, size * width / max(pdfmetrics.stringWidth(text, font, size), 1)))
    if pdfmetrics.stringWidth(text, font, size) > width + 0.01:
        while text and pdfmetrics.stringWidth(f"{text}…", font, size) > width:
            text = text[:-1]
        text = f"{text}…"
    canvas.setFont(font, size)
    canvas.drawString(x, y, text)


def _draw_code(canvas, modules, x, y):
    """Dark modules as rectangles, a run of a row each: sharp on every printer."""
    count = len(modules)
    canvas.saveState()
    canvas.translate(x, y)
    canvas.scale(CODE_SIZE / (count + 2 * QUIET_MODULES), CODE_SIZE / (count + 2 * QUIET_MODULES))
    canvas.translate(QUIET_MODULES, QUIET_MODULES)
    # The canvas's own rectangles take ten times as long to write.
    runs = (
        f"{start} {count - 1 - row} {length} 1 re"
        for row, line in enumerate(modules)
        for start, length in _dark_runs(line)
    )
    canvas.addLiteral(f"{' '.join(runs)} f")
    canvas.restoreState()


def _dark_runs(line):
    """[(first column, number of columns)] of the dark modules that stand side by side."""
    runs, start = [], None
    for column, dark in enumerate([*line, False]):
        if dark and start is None:
            start = column
        elif not dark and start is not None:
            runs.append((start, column - start))
            start = None
    return runs
