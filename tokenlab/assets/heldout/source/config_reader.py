"""Read simple configuration text with sections, comments and typed values."""

SAMPLE = """
# settings of the greenhouse
name = north house

[heating]
target = 18.5
enabled = yes
max_hours = 6

[watering]
days = mon, thu, sat
enabled = no
"""


class ConfigError(Exception):
    """A line that cannot be understood, with its number."""

    def __init__(self, number, message):
        super().__init__(f"line {number}: {message}")
        self.number = number


def convert(text):
    """Turn a raw value into a bool, int, float, list or plain string."""
    lowered = text.lower()
    if lowered in ("yes", "true", "on"):
        return True
    if lowered in ("no", "false", "off"):
        return False
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if "," in text:
        return [convert(part.strip()) for part in text.split(",")]
    return text


def parse_config(text):
    """Return a dictionary of sections; the unnamed section is called ''."""
    sections = {"": {}}
    current = sections[""]
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        if line.startswith("["):
            if not line.endswith("]"):
                raise ConfigError(number, "missing closing bracket")
            current = sections.setdefault(line[1:-1].strip(), {})
            continue
        key, sign, value = line.partition("=")
        key = key.strip()
        if not sign or not key:
            raise ConfigError(number, "expected 'name = value'")
        if key in current:
            raise ConfigError(number, f"{key!r} is set twice")
        current[key] = convert(value.strip())
    return sections


def main():
    for section, values in parse_config(SAMPLE).items():
        print(section or "(general)")
        for key, value in values.items():
            print(f"  {key:<10} {value!r}")
    try:
        parse_config("speed = 4\nspeed = 5\n")
    except ConfigError as error:
        print("rejected:", error)


if __name__ == "__main__":
    main()
