from . import test_completion
from . import test_milk_dashboard
from . import test_milk_dashboard_screen
from . import test_milk_meter
from . import test_quality
from . import test_rfid_service
from . import test_screens
from . import test_session
