"""Breaks parts of a running platform under load and counts what became of every message; `docs/faults.md` says more."""
