"""Find routes in a small network of mountain huts."""

import heapq
from collections import deque

PATHS = [
    ("Lake", "Mill", 40),
    ("Lake", "Pine Hut", 95),
    ("Mill", "Quarry", 30),
    ("Quarry", "Pine Hut", 20),
    ("Pine Hut", "Saddle", 70),
    ("Quarry", "Saddle", 120),
    ("Chapel", "Cave", 15),
]


class Graph:
    """An undirected graph with a walking time on every edge."""

    def __init__(self, edges=()):
        self.neighbours = {}
        for first, second, minutes in edges:
            self.connect(first, second, minutes)

    def connect(self, first, second, minutes):
        self.neighbours.setdefault(first, {})[second] = minutes
        self.neighbours.setdefault(second, {})[first] = minutes

    def reachable(self, start):
        """Return all places that can be reached, by number of paths."""
        seen = {start}
        order = []
        queue = deque([start])
        while queue:
            place = queue.popleft()
            order.append(place)
            for other in self.neighbours[place]:
                if other not in seen:
                    seen.add(other)
                    queue.append(other)
        return order

    def quickest(self, start, goal):
        """Return the total time and the places on the quickest route."""
        heap = [(0, start, None)]
        came_from = {}
        while heap:
            minutes, place, before = heapq.heappop(heap)
            if place in came_from:
                continue
            came_from[place] = before
            if place == goal:
                route = []
                while place is not None:
                    route.append(place)
                    place = came_from[place]
                return minutes, route[::-1]
            for other, extra in self.neighbours[place].items():
                if other not in came_from:
                    heapq.heappush(heap, (minutes + extra, other, place))
        raise LookupError(f"there is no path from {start} to {goal}")


if __name__ == "__main__":
    huts = Graph(PATHS)
    minutes, route = huts.quickest("Lake", "Saddle")
    print(f"{minutes} minutes: " + ", ".join(route))
    print("from the quarry:", huts.reachable("Quarry"))
    try:
        huts.quickest("Lake", "Cave")
    except LookupError as error:
        print(error)
