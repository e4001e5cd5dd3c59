"""Whether a cow is being milked, by the flow of milk: for meters without a register that says so."""

from datetime import timedelta

# A yield that has risen by less may be the rounding of a register.
_RISE_LITERS = 0.02
# A flow without any yield for so long is what a register was left with. At the least flow that counts, 0.2 L/min, this
# is 0.2 L, two pulses of the coarsest meter.
_FLOW_WITHOUT_YIELD = timedelta(seconds=60)


class FlowSwitch:
    """Begins with flow in two readings running, or a yield that rises; ends after some seconds without either.

    :param flow_from: L/min
    :param idle_seconds: without flow, after which the milking is over
    :param is_milking: whether a milking was running when somebody looked last
    """

    def __init__(self, flow_from, idle_seconds, is_milking=False):
        self._flow_from = flow_from
        self._idle = timedelta(seconds=idle_seconds)
        self._liters = None
        self._flowed = False
        self._rose_at = None
        self._busy_at = None
        self._was_milking = is_milking

    def observe(self, values, now):
        """Take in what was read.

        :param values: dict quantity -> value, `yield_liters` among them
        :param now: aware UTC
        :return: whether a cow is being milked
        """
        liters, before = values["yield_liters"], self._liters
        if self._was_milking:
            self._busy_at, self._was_milking = now, False
        rises = before is not None and liters > before + _RISE_LITERS
        if before is None or rises:
            self._liters, self._rose_at = liters, now
        elif liters < before - _RISE_LITERS:
            # The register was cleared for the next cow, who is not there yet.
            self._liters, self._rose_at, self._busy_at, self._flowed = liters, now, None, False
            return False
        flows = values.get("flow_rate", 0.0) >= self._flow_from and now - self._rose_at <= _FLOW_WITHOUT_YIELD
        if rises or (flows and (self._flowed or self._busy_at is not None)):
            self._busy_at = now
        self._flowed = flows
        if self._busy_at is not None and now - self._busy_at >= self._idle:
            self._busy_at = None
        return self._busy_at is not None
