"""A table-driven state machine, shown with the life of a parcel."""


class NotAllowed(Exception):
    """The event makes no sense in the present state."""


class Machine:
    """Follow a table of transitions and remember the way."""

    def __init__(self, initial):
        self.state = initial
        self.history = [initial]
        self._table = {}

    def allow(self, source, event, target, guard=None):
        """Permit an event; a guard may still refuse it at run time."""
        if (source, event) in self._table:
            raise ValueError(f"{event!r} is already defined for {source!r}")
        self._table[source, event] = (target, guard)
        return self

    def events(self):
        """Return the names of the events that the table permits now."""
        return sorted(event for state, event in self._table if state == self.state)

    def fire(self, event, **details):
        try:
            target, guard = self._table[self.state, event]
        except KeyError:
            choices = ", ".join(self.events()) or "nothing"
            raise NotAllowed(
                f"cannot {event} while {self.state}; possible: {choices}"
            ) from None
        if guard is not None and not guard(**details):
            raise NotAllowed(f"{event} was refused by its guard")
        self.state = target
        self.history.append(target)
        return target


def make_parcel():
    """Build the machine that every parcel of the post office uses."""
    parcel = Machine("packed")
    parcel.allow("packed", "collect", "travelling")
    parcel.allow("travelling", "deliver", "delivered")
    parcel.allow("travelling", "miss", "waiting")
    parcel.allow("waiting", "pick_up", "delivered", lambda code=None: code == 4711)
    parcel.allow("waiting", "expire", "returned")
    return parcel


if __name__ == "__main__":
    parcel = make_parcel()
    for step, details in [
        ("collect", {}),
        ("expire", {}),
        ("miss", {}),
        ("pick_up", {"code": 1234}),
        ("pick_up", {"code": 4711}),
    ]:
        try:
            print(f"{step}: now {parcel.fire(step, **details)}")
        except NotAllowed as reason:
            print("refused:", reason)
    print(" > ".join(parcel.history))
