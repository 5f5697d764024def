"""Merge overlapping intervals and ask questions about the result."""

from bisect import bisect_right


class IntervalSet:
    """A set of half-open intervals [start, end) that never overlap."""

    def __init__(self, pairs=()):
        self._starts = []
        self._ends = []
        for start, end in sorted(pairs):
            if end < start:
                raise ValueError(f"interval ends before it begins: {start}, {end}")
            if start == end:
                continue
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)

    def __iter__(self):
        return iter(zip(self._starts, self._ends))

    def __len__(self):
        return len(self._starts)

    def __contains__(self, point):
        index = bisect_right(self._starts, point) - 1
        return index >= 0 and point < self._ends[index]

    def __or__(self, other):
        return IntervalSet([*self, *other])

    def __repr__(self):
        inside = ", ".join(f"[{start}, {end})" for start, end in self)
        return f"IntervalSet({inside})"

    def total(self):
        """Return the summed length of all intervals."""
        return sum(end - start for start, end in self)

    def gaps(self, low, high):
        """Yield the uncovered stretches between low and high."""
        position = low
        for start, end in self:
            if end <= position:
                continue
            if start >= high:
                break
            if start > position:
                yield position, start
            position = end
        if position < high:
            yield position, high


def clock(minutes):
    """Format minutes after midnight as hours and minutes."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


if __name__ == "__main__":
    anna = IntervalSet([(540, 600), (585, 660), (840, 900)])
    omar = IntervalSet([(630, 720), (960, 1020)])
    busy = anna | omar
    print(busy, "covers", busy.total(), "minutes")
    print("10:30 is taken:", 630 in busy)
    for begin, finish in busy.gaps(480, 1080):
        print("free from", clock(begin), "to", clock(finish))
