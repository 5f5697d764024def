"""Break paragraphs into lines, greedily or with evenly filled lines."""

TEXT = (
    "The ferry leaves at seven when the water is high and at eight when it "
    "is low, unless the captain has overslept, in which case it leaves "
    "when the passengers have found him."
)


def wrap_greedy(text, width):
    """Put as many words on each line as will fit."""
    lines, current, used = [], [], 0
    for word in text.split():
        needed = len(word) + (1 if current else 0)
        if current and used + needed > width:
            lines.append(" ".join(current))
            current, used, needed = [], 0, len(word)
        current.append(word)
        used += needed
    if current:
        lines.append(" ".join(current))
    return lines


def wrap_balanced(text, width):
    """Choose the breaks that make the sum of squared gaps smallest."""
    words = text.split()
    count = len(words)
    best = [0.0] + [float("inf")] * count
    previous = [0] * (count + 1)
    for end in range(1, count + 1):
        length = -1
        for start in range(end - 1, -1, -1):
            length += len(words[start]) + 1
            if length > width and start < end - 1:
                break
            gap = 0 if end == count else max(0, width - length)
            cost = best[start] + gap * gap
            if cost < best[end]:
                best[end], previous[end] = cost, start
    lines = []
    end = count
    while end > 0:
        start = previous[end]
        lines.append(" ".join(words[start:end]))
        end = start
    return lines[::-1]


def raggedness(lines, width):
    """Measure how uneven the right margin is, ignoring the last line."""
    return sum((width - len(line)) ** 2 for line in lines[:-1])


if __name__ == "__main__":
    for method in (wrap_greedy, wrap_balanced):
        result = method(TEXT, 34)
        print(method.__name__, "raggedness", raggedness(result, 34))
        for line in result:
            print(f"  {line:<34}|")
