"""What makes milk good, poor or suspicious. Pure functions, so that a session and a single reading agree."""

from dataclasses import dataclass

GRADES = [
    ("A", "Grade A"),
    ("B", "Grade B"),
    ("C", "Grade C"),
    ("reject", "Reject"),
]

#: Cells per mL: the EU's limit for raw milk (Regulation 853/2004).
SCC_LIMIT = 400_000
#: Cells per mL above which an udder counts as inflamed without a sign.
SCC_HEALTHY = 200_000

#: mS/cm of milk whose cow has no baseline of her own yet.
DEFAULT_CONDUCTIVITY_BASELINE = 5.5
#: A conductivity this many times the baseline is abnormal.
CONDUCTIVITY_FACTOR = 1.2

#: Share of the animal's mean yield by which a milking may differ from it.
YIELD_DEVIATION = 0.3
#: Days over which that mean is taken.
YIELD_MEAN_DAYS = 30


@dataclass(frozen=True)
class GradeLimits:
    """From what on milk has a grade: fat and protein in %, cells per mL. Each farm has its own, these to begin with."""

    a_fat: float = 3.5
    a_protein: float = 3.0
    b_fat: float = 3.0
    b_protein: float = 2.8
    c_fat: float = 2.5
    scc_limit: int = SCC_LIMIT
    scc_healthy: int = SCC_HEALTHY


DEFAULT_LIMITS = GradeLimits()


def quality_grade(fat_percentage, protein_percentage, somatic_cell_count, blood_detected, limits=DEFAULT_LIMITS):
    """The grade of milk; 0 or None stands for what was not measured.

    :param somatic_cell_count: cells per mL
    :param limits: `GradeLimits` of the farm
    :return: `A`, `B`, `C`, `reject`, or False where fat or protein is not known
    """
    if blood_detected or (somatic_cell_count and somatic_cell_count > limits.scc_limit):
        return "reject"
    if not fat_percentage or not protein_percentage:
        return False
    if fat_percentage >= limits.a_fat and protein_percentage >= limits.a_protein:
        return "A" if somatic_cell_count and somatic_cell_count < limits.scc_healthy else "B"
    if fat_percentage >= limits.b_fat and protein_percentage >= limits.b_protein:
        return "B"
    return "C" if fat_percentage >= limits.c_fat else "reject"


def is_conductivity_abnormal(conductivity, baseline):
    """Whether milk conducts as that of an inflamed udder does.

    :param conductivity: mS/cm, 0 or None if not measured
    :param baseline: the animal's own, mS/cm, 0 or None if not known
    """
    return bool(conductivity) and conductivity > (baseline or DEFAULT_CONDUCTIVITY_BASELINE) * CONDUCTIVITY_FACTOR


def is_yield_abnormal(yield_liters, mean):
    """Whether a milking's yield is far off the animal's mean, both in litres; never without a mean."""
    return bool(mean) and abs(yield_liters - mean) / mean > YIELD_DEVIATION
