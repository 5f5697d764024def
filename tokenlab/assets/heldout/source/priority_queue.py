"""A binary heap with changeable priorities, written out by hand."""


class EmptyQueue(LookupError):
    """Raised when an item is requested from an empty queue."""


class PriorityQueue:
    """Hand out the item with the smallest priority first."""

    def __init__(self):
        self._heap = []
        self._where = {}

    def __len__(self):
        return len(self._heap)

    def push(self, item, priority):
        """Add an item, or give a known item a new priority."""
        if item in self._where:
            place = self._where[item]
            self._heap[place] = (priority, item)
        else:
            place = len(self._heap)
            self._heap.append((priority, item))
            self._where[item] = place
        self._sink(self._rise(place))

    def pop(self):
        """Remove the first item and return it with its priority."""
        if not self._heap:
            raise EmptyQueue("nothing is waiting")
        priority, item = self._heap[0]
        last = self._heap.pop()
        del self._where[item]
        if self._heap:
            self._heap[0] = last
            self._where[last[1]] = 0
            self._sink(0)
        return item, priority

    def _swap(self, a, b):
        heap = self._heap
        heap[a], heap[b] = heap[b], heap[a]
        self._where[heap[a][1]] = a
        self._where[heap[b][1]] = b

    def _rise(self, place):
        while place > 0:
            parent = (place - 1) // 2
            if self._heap[parent][0] <= self._heap[place][0]:
                break
            self._swap(parent, place)
            place = parent
        return place

    def _sink(self, place):
        size = len(self._heap)
        while True:
            child = 2 * place + 1
            if child >= size:
                return
            right = child + 1
            if right < size and self._heap[right][0] < self._heap[child][0]:
                child = right
            if self._heap[place][0] <= self._heap[child][0]:
                return
            self._swap(place, child)
            place = child


if __name__ == "__main__":
    ward = PriorityQueue()
    for name, urgency in [("cough", 7), ("burn", 3), ("check-up", 9), ("fracture", 2)]:
        ward.push(name, urgency)
    ward.push("cough", 1)
    while ward:
        print("next: %s (priority %d)" % ward.pop())
    try:
        ward.pop()
    except EmptyQueue as problem:
        print("done:", problem)
