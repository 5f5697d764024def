"""Iterate over dates: every day, every week, or the last day of each month."""

from calendar import monthrange
from datetime import date, timedelta


class DateRange:
    """All days from start up to, but not including, stop."""

    def __init__(self, start, stop, step=1):
        if step == 0:
            raise ValueError("a step of zero days leads nowhere")
        self.start = start
        self.stop = stop
        self.step = step

    def __iter__(self):
        current = self.start
        delta = timedelta(days=self.step)
        while current < self.stop if self.step > 0 else current > self.stop:
            yield current
            current += delta

    def __len__(self):
        distance = (self.stop - self.start).days
        return max(0, -(-distance // self.step))

    def __contains__(self, day):
        offset = (day - self.start).days
        return offset % self.step == 0 and 0 <= offset // self.step < len(self)


def add_months(day, months):
    """Move a date by whole months, staying inside shorter months."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    month += 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def month_ends(start, count):
    """Yield the last day of each of the next months."""
    for offset in range(count):
        first = add_months(start.replace(day=1), offset)
        yield first.replace(day=monthrange(first.year, first.month)[1])


if __name__ == "__main__":
    spring = DateRange(date(2023, 2, 20), date(2023, 3, 20), 7)
    print([day.strftime("%d %b") for day in spring], len(spring))
    assert date(2023, 3, 6) in spring and date(2023, 3, 7) not in spring
    print("a month after 31 January:", add_months(date(2024, 1, 31), 1))
    for end in month_ends(date(2023, 12, 10), 3):
        print("rent is due on", end.isoformat())
