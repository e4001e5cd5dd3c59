"""How suspect a milking is of mastitis: a score of 0 to 100 with its reasons, from measurements alone.

No Odoo and no library beyond Python's own: the addon and `scripts/score_milkings.py` call the same `score`.
The method, where each constant comes from, and what it reaches stand in docs/mastitis.md.
"""

from .levels import DEFAULT, Settings
from .milking import Milking, Past
from .norm import HerdNorm, herd_norm
from .score import Verdict, score
