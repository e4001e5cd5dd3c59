"""Devices out of a file: its columns, how it is read, and what may be wrong in its rows."""
