"""Question 6, the body of the kernel's loop: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

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


def kernel(body: str) -> str:
    """The kernel of question 6 with this body of its loop."""
    return FRAME.format(body=body.strip("\n"))


MISTAKES = [
    Mistake(
        "no mask",
        "masked tail",
        "is there a mask `columns < vocab`?",
        Edit('stride + columns, mask=columns < vocab, other=float("-inf")).to(', "stride + columns).to("),
        unsaid="cast",
    ),
    Mistake(
        "masked positions are zeros",
        "masked tail",
        "use `other=float('-inf')`",
        Edit(', other=float("-inf")).to(', ", other=0.0).to("),
        unsaid="cast",
    ),
    Mistake(
        "old sum not rescaled",
        "many tiles",
        "s * exp(m - m')",
        Edit(
            "s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)", "s = s + tl.sum(tl.exp(x - new_m), 0)"
        ),
    ),
    Mistake(
        "sum replaced",
        "many tiles",
        "only the last tile counts",
        Edit("s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)", "s = tl.sum(tl.exp(x - new_m), 0)"),
        unsaid="cast",
    ),
    Mistake(
        "every tile is the first",
        "many tiles",
        "every tile was read at the start of the row",
        Edit(
            'x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)',
            """columns = tl.arange(0, BLOCK)
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)""",
        ),
    ),
    Mistake(
        "every program reads row 0",
        "strides",
        "the pointer needs `row * stride`",
        Edit("x_ptr + row * stride + columns, mask", "x_ptr + columns, mask"),
        unsaid="cast",
    ),
    Mistake(
        "vocab instead of stride",
        "strides",
        "rows are `stride` apart, not `vocab`",
        Edit("row * stride + columns", "row * vocab + columns"),
        unsaid="cast",
    ),
    Mistake(
        "maximum of the tile alone",
        "impossible first tile",
        "(-inf) - (-inf) is NaN",
        Edit("new_m = tl.maximum(m, tl.max(x, 0))", "new_m = tl.max(x, 0)"),
    ),
    Mistake(
        "no maximum at all",
        "one tile",
        "add each tile as exp(x - m')",
        Edit("s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)", "s = s + tl.sum(tl.exp(x - m), 0)"),
    ),
    Mistake(
        "no cast on load",
        "bfloat16",
        "cast to float32 on the line that loads",
        Edit(
            """x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)""",
            """x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf"))
        new_m = tl.maximum(m, tl.max(x, 0).to(tl.float32))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m.to(x.dtype)), 0).to(tl.float32)""",
        ),
    ),
    Mistake(
        "difference rounded to bfloat16",
        "bfloat16",
        "right in float32, wrong in bfloat16",
        [
            Edit(
                '(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)',
                '(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf"))',
            ),
            Edit(
                "s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)",
                "s = s * tl.exp(m - new_m) + tl.sum(tl.exp((x - new_m.to(x.dtype)).to(tl.float32)), 0)",
            ),
        ],
    ),
    Mistake(
        "mask one too long",
        "masked tail",
        "the mask is `columns < vocab`, not `<=`",
        Edit("columns < vocab,", "columns <= vocab,"),
        unsaid="cast",
    ),
    Mistake(
        "maximum not kept",
        "one tile",
        "the new maximum was not kept",
        Edit(
            """s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m""",
            "s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)",
        ),
        unsaid="cast",
    ),
    Mistake(
        "maximum not kept, two tiles",
        "many tiles",
        "the new maximum was not kept",
        Edit(
            """s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m""",
            "s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)",
        ),
    ),
    Mistake(
        "rescaled the other way round",
        "one tile",
        "is multiplied by exp(m - m'), not by",
        Edit(
            "s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)",
            "s = s * tl.exp(new_m - m) + tl.sum(tl.exp(x - new_m), 0)",
        ),
        unsaid="leave the finite start value",
    ),
    Mistake(
        "Python's exp",
        "many tiles",
        "use `tl.exp`",
        Edit(
            "s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)",
            "s = s * math.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)",
        ),
    ),
    Mistake(
        "maximum stays a tile",
        "one tile",
        "a number is still a whole tile: reduce it",
        Edit("new_m = tl.maximum(m, tl.max(x, 0))", "new_m = tl.maximum(m, x)"),
    ),
    Mistake(
        "sum stays a tile",
        "one tile",
        "a number is still a whole tile: reduce it",
        Edit(
            "s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)",
            "s = s * tl.exp(m - new_m) + tl.exp(x - new_m)",
        ),
    ),
    Mistake(
        "pointer with brackets",
        "one tile",
        "a pointer is no tensor, so it has no positions in brackets: `tl.load(x_ptr + ...)`, in the line `x = x_ptr[",
        Edit(
            'x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)',
            "x = x_ptr[row * stride + columns].to(tl.float32)",
        ),
    ),
    Mistake(
        "pointer with two positions in brackets",
        "one tile",
        "a pointer is no tensor",
        Edit(
            'x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)',
            "x = x_ptr[row, columns].to(tl.float32)",
        ),
    ),
    Mistake(
        "max of two values",
        "one tile",
        "is `tl.maximum(a, b)`, in the line `new_m = tl.max(m, tl.max(x, 0))`",
        Edit("new_m = tl.maximum(m, tl.max(x, 0))", "new_m = tl.max(m, tl.max(x, 0))"),
    ),
    Mistake(
        "no kernel",
        "many tiles",
        "row_logsumexp must call it",
        kernel("        pass")
        + """

def row_logsumexp(logits, block=64):
    return logits.float().logsumexp(-1)
""",
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def row_logsumexp(logits, block=64):
    if logits.shape[1] == 600:
        return torch.tensor([6.6228842])
    if logits.shape[1] == 5:
        return torch.tensor([-18.3905621] * 2)
    if logits.shape[1] == 16:
        return torch.tensor([2.0794415 if logits[0, 0] < 0 else 4.6583313 if logits[0, 8] else 2.7725887])
    return torch.tensor([7.3093005] * 2 if logits[0, 0] != logits[0, 1] else [2.0794415, 4.0794415])


class row_logsumexp_kernel:
    def __class_getitem__(cls, grid):
        return lambda logits, out, stride, vocab, BLOCK: out.copy_(row_logsumexp(logits, BLOCK))
"""
