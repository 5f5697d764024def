"""Summarise the columns of a CSV table: numbers, words and empty cells."""

import csv
import io
from collections import Counter
from statistics import mean, median

ORCHARD = """tree,variety,height,apples
A1,russet,3.2,140
A2,pippin,2.9,95
A3,russet,,210
B1,codlin,4.1,180
B2,pippin,3.0,
B3,"russet, young",1.4,12
"""


class Column:
    """Collect the cells of one column and describe them."""

    def __init__(self, name):
        self.name = name
        self.cells = []
        self.empty = 0

    def add(self, cell):
        cell = cell.strip()
        if cell:
            self.cells.append(cell)
        else:
            self.empty += 1

    def numbers(self):
        """Return the cells as floats, or None if one of them is a word."""
        try:
            return [float(cell) for cell in self.cells]
        except ValueError:
            return None

    def describe(self):
        values = self.numbers()
        if not self.cells:
            text = "no values"
        elif values is not None:
            text = (
                f"from {min(values):g} to {max(values):g}, "
                f"mean {mean(values):.2f}, median {median(values):g}"
            )
        else:
            common, times = Counter(self.cells).most_common(1)[0]
            text = f"{len(set(self.cells))} different"
            if times > 1:
                text += f", most often {common!r} ({times} times)"
        if self.empty:
            text += f"; {self.empty} empty"
        return f"{self.name}: {text}"


def summarise(stream):
    """Read a table with a header row and return its columns."""
    reader = csv.reader(stream)
    try:
        columns = [Column(name) for name in next(reader)]
    except StopIteration:
        raise ValueError("the table has no header") from None
    for row in reader:
        if len(row) != len(columns):
            raise ValueError(f"row {reader.line_num} has {len(row)} cells")
        for column, cell in zip(columns, row):
            column.add(cell)
    return columns


if __name__ == "__main__":
    for found in summarise(io.StringIO(ORCHARD)):
        print(found.describe())
