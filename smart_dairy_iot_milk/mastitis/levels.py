"""From evidence to a score of 0 to 100, and from the score to a level."""

import math
from dataclasses import dataclass

# The evidence that 4 % and 1 % of the milkings of healthy cows reach in the model of docs/mastitis.md (conductivity and
# yield measured, errors normal and independent, half carried over): the false alerts of the two conductivity rules.
EVIDENCE_AT_50 = 3.05
EVIDENCE_AT_65 = 4.10
# score = 50 + 50 x / (1 + x) is 65 at x = 3/7.
_SCALE = (EVIDENCE_AT_65 - EVIDENCE_AT_50) * 7 / 3


@dataclass(frozen=True)
class Settings:
    """The scores at which the levels begin."""

    watch: float = 50.0
    warning: float = 65.0
    critical: float = 85.0

    def level(self, score: float) -> str:
        """`normal`, `watch`, `warning` or `critical`."""
        if score >= self.critical:
            return "critical"
        if score >= self.warning:
            return "warning"
        return "watch" if score >= self.watch else "normal"


DEFAULT = Settings()


def score_of(evidence: float) -> float:
    """The score of an evidence: strictly rising, never quite 0 or 100, so that there are no ties at either end."""
    x = (evidence - EVIDENCE_AT_50) / _SCALE
    return 50 + 50 * x / (1 + x) if x > 0 else 50 * math.exp(x)


def evidence_of(score: float) -> float:
    """The evidence of a score (the inverse of `score_of`)."""
    part = min(max(score, 0.001), 99.999) / 50
    x = (part - 1) / (2 - part) if part > 1 else math.log(part)
    return EVIDENCE_AT_50 + _SCALE * x
