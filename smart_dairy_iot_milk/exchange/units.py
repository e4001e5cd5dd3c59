"""Litres, in which meters and the platform count milk, and kilograms, in which milk recording does."""

DENSITY_KG_PER_L = 1.03
"""Of cow's milk at 20 °C, as dairies commonly take it; a farm's own is a setting."""

#: Digits of kilograms that lead back to the same thousandth of a litre.
_KILOGRAM_DIGITS = 4


def to_kilograms(liters, density=DENSITY_KG_PER_L):
    """Kilograms, or kilograms per minute, of so many litres."""
    return round(liters * density, _KILOGRAM_DIGITS)


def to_liters(kilograms, density=DENSITY_KG_PER_L):
    """Litres, to the millilitre, of so many kilograms."""
    return round(kilograms / density, 3)
