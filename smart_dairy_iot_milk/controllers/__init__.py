from . import api
from . import reports
