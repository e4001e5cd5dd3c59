"""Readings as files: CSV, for everybody, and Parquet, where pyarrow is installed.

Both are written piece by piece, so that a file may be larger than the memory.
"""

import csv
import importlib.util
import io
import os

from ..bridge.timestamps import format_timestamp

#: File format -> its MIME type.
MIME_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}

# The allocator that pyarrow would choose takes a gigabyte of addresses at once, and Odoo's limits of memory count those
# as used: the process would soon be ended for it. It is read when pyarrow is imported, by whomever that is done.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

#: Readings that are read, and written, at once.
PAGE = 20_000

# PostgreSQL's types of telemetry columns -> those of Arrow.
_ARROW_TYPES = {
    "smallint": "int16",
    "integer": "int32",
    "bigint": "int64",
    "real": "float32",
    "double precision": "float64",
    "boolean": "bool_",
    "text": "string",
}


def formats():
    """The file formats that can be written here."""
    return ("csv", "parquet") if importlib.util.find_spec("pyarrow") else ("csv",)


def pieces(file_format, columns, pages):
    """A file in pieces of bytes; times are UTC.

    :param file_format: one of `formats()`
    :param columns: {name: PostgreSQL type}
    :param pages: iterable of lists of rows
    """
    return _WRITERS[file_format](columns, pages)


def csv_lines(rows):
    """Rows of cells as the bytes of a CSV file."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def csv_cell(value):
    """A value as it stands in a CSV file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        # Devices send texts, and a spreadsheet would run them.
        return f"'{value}"
    return format_timestamp(value) if hasattr(value, "isoformat") else value


def _csv_pieces(columns, pages):
    yield csv_lines([columns])
    for page in pages:
        yield csv_lines(map(csv_cell, row) for row in page)


def _parquet_pieces(columns, pages):
    """One row group per page."""
    # Only whoever archives in this format has to have it.
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([(name, _arrow_type(pyarrow, pg_type)) for name, pg_type in columns.items()])
    pieces = _Pieces()
    with pyarrow.parquet.ParquetWriter(pieces, schema, compression="zstd") as writer:
        for page in pages:
            arrays = [
                pyarrow.array(values, field.type) for values, field in zip(zip(*page, strict=True), schema, strict=True)
            ]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))
            yield pieces.take()
    yield pieces.take()


def _arrow_type(pyarrow, pg_type):
    if pg_type == "timestamp":
        return pyarrow.timestamp("us", tz="UTC")
    return getattr(pyarrow, _ARROW_TYPES[pg_type])()


_WRITERS = {"csv": _csv_pieces, "parquet": _parquet_pieces}


class _Pieces(io.RawIOBase):
    """A file that is only ever written on, and handed on as it grows."""

    def __init__(self):
        super().__init__()
        self._written, self._length = [], 0

    def writable(self):
        return True

    def write(self, data):
        # A copy: what it is given may be used again by then.
        self._written.append(bytes(data))
        self._length += len(self._written[-1])
        return len(self._written[-1])

    def tell(self):
        return self._length

    def take(self):
        """What has been written since the last time."""
        written, self._written = b"".join(self._written), []
        return written
