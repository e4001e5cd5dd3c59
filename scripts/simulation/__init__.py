"""The demo farm: pure, seeded models of its cows, parlour and sensors, and the connections that carry their data.

The models (`herd`, `parlour`, `tank`, `sensors`, `faults`) know no network and no wall clock: the same seed, start and
going-live instant give the same bytes. `devices`, `registration` and `runner` connect them to a product that runs.
"""
