from . import farm_owned_mixin
from . import farm_location
from . import farm_pen
from . import farm_animal
from . import farm_animal_rfid
from . import farm_milk_production
from . import farm_health_event
