"""A small matrix class that calculates with exact fractions."""

from fractions import Fraction


class Matrix:
    """A rectangular table of numbers, stored row by row."""

    def __init__(self, rows):
        self.rows = [[Fraction(value) for value in row] for row in rows]
        if not self.rows or len({len(row) for row in self.rows}) != 1:
            raise ValueError("all rows must have the same length")

    @classmethod
    def identity(cls, size):
        return cls([[int(i == j) for j in range(size)] for i in range(size)])

    @property
    def shape(self):
        return len(self.rows), len(self.rows[0])

    def __eq__(self, other):
        return isinstance(other, Matrix) and self.rows == other.rows

    def __matmul__(self, other):
        if self.shape[1] != other.shape[0]:
            raise ValueError(f"cannot multiply {self.shape} by {other.shape}")
        columns = list(zip(*other.rows))
        return Matrix(
            [[sum(a * b for a, b in zip(row, col)) for col in columns]
             for row in self.rows]
        )

    def inverse(self):
        """Return the inverse, found by elimination on an extended table."""
        size, width = self.shape
        if size != width:
            raise ValueError("only square matrices can be inverted")
        unit = Matrix.identity(size).rows
        work = [row + extra for row, extra in zip(self.rows, unit)]
        for column in range(size):
            pivot = next((r for r in range(column, size) if work[r][column]), None)
            if pivot is None:
                raise ZeroDivisionError("the matrix is singular")
            work[column], work[pivot] = work[pivot], work[column]
            lead = work[column][column]
            work[column] = [value / lead for value in work[column]]
            for r in range(size):
                if r != column and work[r][column]:
                    factor = work[r][column]
                    work[r] = [x - factor * y for x, y in zip(work[r], work[column])]
        return Matrix([row[size:] for row in work])

    def __str__(self):
        return "\n".join(" ".join(f"{str(v):>6}" for v in row) for row in self.rows)


if __name__ == "__main__":
    m = Matrix([[2, 1, 0], [1, 3, 1], [0, 1, 4]])
    print(m.inverse())
    assert m @ m.inverse() == Matrix.identity(3)
    try:
        Matrix([[1, 2], [2, 4]]).inverse()
    except ZeroDivisionError as error:
        print("as expected,", error)
