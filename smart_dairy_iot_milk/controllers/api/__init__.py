from . import ade_api
from . import ade_description
from . import ade_visits
from . import ade_visits_import
