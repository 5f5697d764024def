"""Parse the log of a lighthouse and look for slow or failing lamps."""

import re
from collections import defaultdict
from datetime import datetime

LOG = """\
2022-11-03 17:42:10 INFO lamp=north took=0.8s switched on
2022-11-03 17:42:12 INFO lamp=south took=2.4s switched on
2022-11-03 23:15:47 ERROR lamp=south voltage dropped to 190
Traceback: sensor did not answer
    retry 1 of 3
2022-11-04 02:08:05 WARNING lamp=horn fog expected
-- end of watch --
2022-11-04 06:51:30 INFO lamp=north took=0.6s switched off
"""

LINE = re.compile(
    r"(?P<when>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) "
    r"(?P<level>[A-Z]+) (?P<rest>.*)"
)
FIELD = re.compile(r"(\w+)=(\S+)\s*")


class Record:
    """One entry of the log, including the lines that continue it."""

    def __init__(self, when, level, fields, message):
        self.when = when
        self.level = level
        self.fields = fields
        self.message = message
        self.extra = []

    @property
    def seconds(self):
        """Return the duration in seconds, or None if none was logged."""
        text = self.fields.get("took")
        return float(text.rstrip("s")) if text else None


def parse(lines):
    """Yield records; lines without a date belong to the one before."""
    record = None
    for line in lines:
        match = LINE.fullmatch(line)
        if match is None:
            if record is not None and not line.startswith("--"):
                record.extra.append(line.strip())
            continue
        if record is not None:
            yield record
        rest = match["rest"]
        record = Record(
            datetime.strptime(match["when"], "%Y-%m-%d %H:%M:%S"),
            match["level"],
            dict(FIELD.findall(rest)),
            FIELD.sub("", rest),
        )
    if record is not None:
        yield record


def main():
    durations = defaultdict(list)
    for record in parse(LOG.splitlines()):
        lamp = record.fields.get("lamp", "unknown")
        if record.seconds is not None:
            durations[lamp].append(record.seconds)
        if record.level != "INFO":
            print(f"{record.when:%d %b %H:%M} {lamp}: {record.message}")
            for line in record.extra:
                print("   |", line)
    for lamp, values in sorted(durations.items()):
        average = sum(values) / len(values)
        note = " (slow)" if average > 1.5 else ""
        print(f"{lamp}: {average:.2f} s on average{note}")


if __name__ == "__main__":
    main()
