"""What a wrong answer is, and the frame of a kernel whose loop it fills."""

from typing import NamedTuple

FRAME = """
@triton.jit
def row_logsumexp_kernel(x_ptr, out_ptr, stride, vocab, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    m = tl.full((), -3.0e38, tl.float32)
    s = tl.full((), 0.0, tl.float32)
    for start in range(0, vocab, BLOCK):
        columns = start + tl.arange(0, BLOCK)
{body}
    tl.store(out_ptr + row, m + tl.log(s))
"""


class Mistake(NamedTuple):
    """A wrong answer to one question, and the check that must catch it.

    Hidden tests must catch it as well. ``unsaid`` is a wrong track: no check may say it.
    """

    name: str
    question: str
    check: str
    message: str
    source: str
    unsaid: str = ""


def kernel(body: str) -> str:
    """The kernel of question 5 with this body of its loop."""
    return FRAME.format(body=body.strip("\n"))
