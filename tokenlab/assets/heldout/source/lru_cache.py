"""A cache of limited size that forgets what was not used for longest."""

import functools


class RecentCache:
    """Map keys to values, but keep only the most recently used ones.

    A dictionary remembers the order of insertion. Taking an entry out and
    putting it back moves it to the end, so the oldest is always in front.
    """

    def __init__(self, capacity):
        if capacity < 1:
            raise ValueError("the capacity must be at least one")
        self.capacity = capacity
        self.hits = 0
        self.misses = 0
        self._entries = {}

    def get(self, key, default=None):
        """Return the stored value and mark it as used."""
        try:
            value = self._entries.pop(key)
        except KeyError:
            self.misses += 1
            return default
        self._entries[key] = value
        self.hits += 1
        return value

    def put(self, key, value):
        """Store a value; drop the oldest entry if there is no room."""
        self._entries.pop(key, None)
        if len(self._entries) >= self.capacity:
            oldest = next(iter(self._entries))
            del self._entries[oldest]
        self._entries[key] = value


def remember(capacity):
    """Decorate a function of one argument with a cache."""

    def decorate(function):
        cache = RecentCache(capacity)
        missing = object()

        @functools.wraps(function)
        def wrapper(argument):
            value = cache.get(argument, missing)
            if value is missing:
                value = function(argument)
                cache.put(argument, value)
            return value

        wrapper.cache = cache
        return wrapper

    return decorate


@remember(capacity=50)
def steps(number):
    """Count the steps of the halve-or-triple game until it reaches one."""
    if number == 1:
        return 0
    following = number // 2 if number % 2 == 0 else 3 * number + 1
    return 1 + steps(following)


if __name__ == "__main__":
    longest = max(range(1, 200), key=steps)
    print("longest chain below 200 starts at", longest, "with", steps(longest))
    print("hits", steps.cache.hits, "misses", steps.cache.misses)
