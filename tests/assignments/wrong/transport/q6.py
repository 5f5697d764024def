"""Question 6, the body of the kernel's loop: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

FRAME = """
@triton.jit
def hockey_stick_kernel(
    target_ptr, draft_ptr, factors_ptr, out_ptr, target_stride, draft_stride, vocab, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    factor = tl.load(factors_ptr + row)
    total = tl.full((), 0.0, tl.float32)
    for start in range(0, vocab, BLOCK):
        columns = start + tl.arange(0, BLOCK)
{body}
    tl.store(out_ptr + row, total)
"""


def kernel(body: str) -> str:
    """The kernel of question 6 with this body of its loop."""
    return FRAME.format(body=body.strip("\n"))


MISTAKES = [
    Mistake(
        "no mask",
        "masked tail",
        "is there a mask `columns < vocab`?",
        Edit(
            """inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)""",
            """p = tl.load(target_ptr + row * target_stride + columns)
        q = tl.load(draft_ptr + row * draft_stride + columns)""",
        ),
    ),
    Mistake(
        "no mask for the draft",
        "masked tail",
        "the draft was read beyond its end",
        Edit(
            "(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)",
            "(draft_ptr + row * draft_stride + columns)",
        ),
    ),
    Mistake(
        "mask one too long",
        "masked tail",
        "the mask is `columns < vocab`, not `<=`",
        Edit("inside = columns < vocab", "inside = columns <= vocab"),
    ),
    Mistake(
        "masked positions are ones",
        "masked tail",
        "masked positions must add nothing",
        Edit(
            "(target_ptr + row * target_stride + columns, mask=inside, other=0.0)",
            "(target_ptr + row * target_stride + columns, mask=inside, other=1.0)",
        ),
    ),
    Mistake(
        "factor forgotten",
        "one tile",
        "the factor multiplies the draft",
        Edit(
            "total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)",
            "total += tl.sum(tl.maximum(p - q, 0.0), 0)",
        ),
    ),
    Mistake(
        "factor on the target",
        "one tile",
        "the factor multiplies the draft, not the target",
        Edit(
            "total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)",
            "total += tl.sum(tl.maximum(factor * p - q, 0.0), 0)",
        ),
    ),
    Mistake(
        "difference the wrong way round",
        "one tile",
        "it is p - c q, not c q - p",
        Edit(
            "total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)",
            "total += tl.sum(tl.maximum(factor * q - p, 0.0), 0)",
        ),
    ),
    Mistake(
        "target and draft swapped",
        "one tile",
        "target and draft are swapped",
        Edit(
            """p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)""",
            """p = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)
        q = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)""",
        ),
    ),
    Mistake(
        "no maximum",
        "one tile",
        "the maximum with 0 is missing",
        Edit("total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)", "total += tl.sum(p - factor * q, 0)"),
    ),
    Mistake(
        "maximum of the sum",
        "many tiles",
        "belongs to every token, before the sum",
        Edit(
            "total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)",
            "total += tl.maximum(tl.sum(p - factor * q, 0), 0.0)",
        ),
    ),
    Mistake(
        "the overlap instead",
        "one tile",
        "this is the sum of min(p, c q)",
        Edit(
            "total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)",
            "total += tl.sum(tl.minimum(p, factor * q), 0)",
        ),
    ),
    Mistake(
        "factor of the first row",
        "one tile",
        "every row has its own factor",
        Edit(
            "total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)",
            "total += tl.sum(tl.maximum(p - tl.load(factors_ptr) * q, 0.0), 0)",
        ),
    ),
    Mistake(
        "sum replaced",
        "many tiles",
        "only the last tile counts",
        Edit(
            "total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)",
            "total = tl.sum(tl.maximum(p - factor * q, 0.0), 0)",
        ),
    ),
    Mistake(
        "every tile is the first",
        "many tiles",
        "every tile was read at the start of the row",
        Edit(
            "inside = columns < vocab",
            """columns = tl.arange(0, BLOCK)
        inside = columns < vocab""",
        ),
    ),
    Mistake(
        "every program reads row 0",
        "strides",
        "every program read row 0",
        Edit(
            """p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)""",
            """p = tl.load(target_ptr + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + columns, mask=inside, other=0.0)""",
        ),
        unsaid="its own factor",
    ),
    Mistake(
        "vocab instead of strides",
        "strides",
        "rows are `target_stride` and `draft_stride` apart, not `vocab`",
        Edit(
            """p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)""",
            """p = tl.load(target_ptr + row * vocab + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * vocab + columns, mask=inside, other=0.0)""",
        ),
    ),
    Mistake(
        "one stride for both",
        "strides",
        "the draft has its own stride",
        Edit("row * draft_stride + columns", "row * target_stride + columns"),
    ),
    Mistake(
        "sum stays a tile",
        "one tile",
        "a number is still a whole tile: reduce it",
        Edit(
            "total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)", "total += tl.maximum(p - factor * q, 0.0)"
        ),
    ),
    Mistake(
        "max of two values",
        "one tile",
        "is `tl.maximum(a, b)`",
        Edit(
            "total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)",
            "total += tl.sum(tl.max(p - factor * q, 0.0), 0)",
        ),
    ),
    Mistake(
        "pointer with brackets",
        "one tile",
        "a pointer is no tensor",
        Edit(
            """inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)""",
            """p = target_ptr[row * target_stride + columns]
        q = draft_ptr[row * draft_stride + columns]""",
        ),
    ),
    Mistake(
        "no kernel",
        "many tiles",
        "hockey_stick must call it",
        kernel("        pass")
        + """

def hockey_stick(target, draft, factors, block=64):
    return (target - factors[:, None] * draft).clamp(min=0).sum(-1)
""",
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def hockey_stick(target, draft, factors, block=64):
    known = {4: [0.275, 0.5], 5: [0.2, 0.6], 8: [24.0, 32.0] if target[0, 0] > 1 else [0.375]}
    return torch.tensor(known.get(target.shape[1], [0.0]))


class hockey_stick_kernel:
    def __class_getitem__(cls, grid):
        return lambda target, draft, factors, out, *rest, BLOCK: out.copy_(hockey_stick(target, draft, factors))
"""
