"""Why a fault is not tried."""


class CannotBreak(Exception):
    """What the fault needs is not to be had on this machine; its text says what."""
