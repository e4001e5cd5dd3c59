from . import test_milk_dashboard
from . import test_milk_dashboard_screen
