"""Split arithmetic into tokens and calculate its value."""

import operator
from dataclasses import dataclass

OPERATORS = {"+": 1, "-": 1, "*": 2, "/": 2}
ACTIONS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    column: int


class ExpressionError(ValueError):
    """Raised for text that is not a valid expression."""


def tokenize(text):
    """Yield the tokens of the expression from left to right."""
    index = 0
    while index < len(text):
        char = text[index]
        start = index
        if char.isspace():
            index += 1
            continue
        if char.isdigit() or char == ".":
            while index < len(text) and (text[index].isdigit() or text[index] == "."):
                index += 1
            yield Token("number", text[start:index], start)
        elif char in OPERATORS or char in "()":
            index += 1
            yield Token("symbol", char, start)
        else:
            raise ExpressionError(f"unexpected {char!r} in column {start}")
    yield Token("end", "", len(text))


class Parser:
    """Climb up the precedence of operators while reading tokens."""

    def __init__(self, text):
        self.tokens = list(tokenize(text))
        self.position = 0

    def take(self):
        token = self.tokens[self.position]
        self.position += 1
        return token

    def primary(self):
        token = self.take()
        if token.kind == "number":
            return float(token.text)
        if token.text == "-":
            return -self.primary()
        if token.text == "(":
            value = self.expression(1)
            if self.take().text != ")":
                raise ExpressionError("a bracket was never closed")
            return value
        raise ExpressionError(f"a value is missing in column {token.column}")

    def expression(self, minimum):
        left = self.primary()
        while OPERATORS.get(self.tokens[self.position].text, 0) >= minimum:
            sign = self.take().text
            left = ACTIONS[sign](left, self.expression(OPERATORS[sign] + 1))
        return left


def evaluate(text):
    """Return the value of the whole expression."""
    parser = Parser(text)
    value = parser.expression(1)
    if parser.take().kind != "end":
        raise ExpressionError("there is something left over at the end")
    return value


if __name__ == "__main__":
    for sample in ("2 + 3 * 4", "(2 + 3) * -4", "7 - 2 - 1", "8 / (1 + ", "3 $ 4"):
        try:
            print(sample, "=", evaluate(sample))
        except ExpressionError as error:
            print(sample, "->", error)
