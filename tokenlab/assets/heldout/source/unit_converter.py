"""Convert between units of length, mass and temperature, with tests."""

import unittest

FACTORS = {
    "length": {"m": 1.0, "km": 1000.0, "cm": 0.01, "in": 0.0254, "mi": 1609.344},
    "mass": {"kg": 1.0, "g": 0.001, "lb": 0.45359237, "oz": 0.028349523125},
}
TO_KELVIN = {
    "K": lambda value: value,
    "C": lambda value: value + 273.15,
    "F": lambda value: (value - 32) * 5 / 9 + 273.15,
}
FROM_KELVIN = {
    "K": lambda value: value,
    "C": lambda value: value - 273.15,
    "F": lambda value: (value - 273.15) * 9 / 5 + 32,
}


class UnknownUnit(KeyError):
    """The unit is not in any of the tables."""


class Incompatible(ValueError):
    """The two units measure different things."""


def dimension(unit):
    """Return what a unit measures."""
    if unit in TO_KELVIN:
        return "temperature"
    for name, table in FACTORS.items():
        if unit in table:
            return name
    raise UnknownUnit(unit)


def convert(value, source, target):
    """Return the value, given in the source unit, in the target unit."""
    kind = dimension(source)
    if dimension(target) != kind:
        raise Incompatible(f"{source} is a unit of {kind}, {target} is not")
    if kind == "temperature":
        kelvin = TO_KELVIN[source](value)
        if kelvin < 0:
            raise ValueError("colder than absolute zero")
        return FROM_KELVIN[target](kelvin)
    table = FACTORS[kind]
    return value * table[source] / table[target]


class ConvertTest(unittest.TestCase):
    def test_known_values(self):
        cases = [(1, "mi", "km", 1.609344), (16, "oz", "lb", 1), (212, "F", "C", 100)]
        for value, source, target, expected in cases:
            with self.subTest(source=source, target=target):
                self.assertAlmostEqual(convert(value, source, target), expected)

    def test_mistakes(self):
        with self.assertRaises(Incompatible):
            convert(3, "kg", "cm")
        with self.assertRaises(UnknownUnit):
            convert(3, "furlong", "m")
        with self.assertRaises(ValueError):
            convert(-1, "K", "C")


if __name__ == "__main__":
    unittest.main()
