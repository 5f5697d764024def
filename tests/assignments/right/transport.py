"""Right answers to the assignment of "Speculative decoding", in other styles than the key's.

Every check must accept them, the hidden ones too.
"""

from tests.assignments.wrong.transport.q6 import kernel

ANSWERS = {
    "q1": [
        """
def accept_probs(target, draft):
    return (torch.minimum(target, draft) / draft).nan_to_num(nan=0.0)


def residual(target, draft):
    left = target - torch.minimum(target, draft)
    nothing = left.sum(-1) == 0
    left[nothing] = target[nothing]
    return left / left.sum(-1)[:, None]
""",
        # Row by row, in Python's numbers.
        """
def accept_probs(target, draft):
    rows = [
        [min(1.0, p / q) if q > 0 else 0.0 for p, q in zip(ps, qs)]
        for ps, qs in zip(target.tolist(), draft.tolist())
    ]
    return torch.tensor(rows, dtype=target.dtype)


def residual(target, draft):
    rows = []
    for ps, qs in zip(target.tolist(), draft.tolist()):
        left = [max(p - q, 0.0) for p, q in zip(ps, qs)]
        rows.append([x / sum(left) for x in left] if any(left) else ps)
    return torch.tensor(rows, dtype=target.dtype)
""",
    ],
    "q2": [
        # What is missed, and the thresholds that the chapter derives.
        """
def naive_rate(target, draft, num_drafts):
    missed = torch.relu(target - draft) * (1 - draft).pow(num_drafts - 1)
    return 1 - missed.sum(-1)


def recursive_distribution(target, draft, tokens):
    distribution, reached, c = torch.zeros_like(target), 1.0, 0.0
    for token in tokens.tolist():
        above = (target - c * draft).clamp(min=0)
        accept = min(1.0, (above[token] / (above.sum() * draft[token])).item())
        distribution[token] = distribution[token] + reached * accept
        reached *= 1 - accept
        c = c + above.sum()
    above = (target - c * draft).clamp(min=0)
    # Nothing is left if the last test cannot fail.
    return distribution if reached == 0 else distribution + reached * above / above.sum()
""",
        # As a function that calls itself.
        """
def naive_rate(target, draft, num_drafts):
    rates = []
    for p, q in zip(target, draft):
        once = torch.minimum(p, q).sum()
        rates.append(once + (1 - once) * (residual(p, q) * (1 - (1 - q) ** (num_drafts - 1))).sum())
    return torch.stack(rates)


def recursive_distribution(target, draft, tokens):
    if len(tokens) == 0:
        return target
    accept = (target[tokens[0]] / draft[tokens[0]]).clamp(max=1)
    first = torch.nn.functional.one_hot(tokens[0], len(target)).to(target.dtype)
    return accept * first + (1 - accept) * recursive_distribution(residual(target, draft), draft, tokens[1:])
""",
    ],
    "q3": [
        # Row by row, in Python's numbers.
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    factors = []
    for ps, qs in zip(target.tolist(), draft.tolist()):
        low, high = 1.0, float(num_drafts)
        while high - low > tolerance:
            rho = (low + high) / 2
            beta = sum(min(p / rho, q) for p, q in zip(ps, qs))
            if sum((1 - beta) ** j for j in range(num_drafts)) > rho:
                low = rho
            else:
                high = rho
        factors.append(high)
    return torch.tensor(factors, dtype=target.dtype)


def kseq_residual(target, draft, num_drafts, factors):
    rows = []
    for p, q, rho in zip(target, draft, factors):
        once = torch.minimum(p / rho, q)
        distribution, reached = torch.zeros_like(p), 1.0
        for _ in range(num_drafts):
            distribution = distribution + reached * once
            reached = reached * (1 - once.sum())
        rows.append((p - distribution) / reached if reached > 1e-12 else p)
    return torch.stack(rows)
""",
        # A library's root, moved to the lossless side; the quotient without its cancellation.
        """
from scipy.optimize import brentq


def division_factor(target, draft, num_drafts, tolerance=1e-9):
    def gap(rho, p, q):
        beta = torch.minimum(p / rho, q).sum().clamp(max=1).item()
        tests = -math.expm1(num_drafts * math.log1p(-beta)) / beta if 0 < beta < 1 else 1.0 if beta else num_drafts
        return tests - rho

    import math

    step = min(tolerance, 1e-9) / 2
    roots = []
    for p, q in zip(target, draft):
        if gap(1.0, p, q) <= 0:
            roots.append(1.0)
        elif gap(float(num_drafts), p, q) >= 0:
            roots.append(float(num_drafts))
        else:
            roots.append(brentq(gap, 1.0, float(num_drafts), args=(p, q), xtol=step / 4) + step)
    return torch.tensor(roots, dtype=target.dtype)


def kseq_residual(target, draft, num_drafts, factors):
    once = torch.minimum(target, factors.unsqueeze(-1) * draft) / factors.unsqueeze(-1)
    beta = once.sum(dim=-1, keepdim=True)
    gamma = torch.where(beta > 0, (1 - (1 - beta) ** num_drafts) / beta, num_drafts)
    distribution = torch.relu(target - gamma * once)
    return torch.where((distribution > 0).any(-1, keepdim=True), distribution / distribution.sum(-1, keepdim=True), target)
""",
        # More halvings than anyone needs.
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    low = torch.full((len(target), 1), 1.0, dtype=target.dtype)
    high = torch.full_like(low, num_drafts)
    for _ in range(60):
        middle = (low + high) / 2
        rejected = 1 - (target / middle).minimum(draft).sum(-1, keepdim=True)
        gamma = torch.ones_like(rejected)
        for _ in range(num_drafts - 1):
            gamma = 1 + rejected * gamma
        low, high = torch.where(gamma > middle, middle, low), torch.where(gamma > middle, high, middle)
    return high[:, 0]


def kseq_residual(target, draft, num_drafts, factors):
    once = torch.minimum(target / factors[:, None], draft)
    rejected = 1 - once.sum(-1)
    gamma = torch.stack([rejected**j for j in range(num_drafts)]).sum(0)
    left = target - gamma[:, None] * once
    mass = rejected**num_drafts
    return torch.where(mass[:, None] > 1e-15, left / mass[:, None], target)
""",
    ],
    "q4": [
        # From the other end of the list: what lies outside H.
        """
def optimal_rate(target, draft, num_drafts):
    order = (target / draft).argsort(-1)
    p, q = (torch.nn.functional.pad(x.gather(-1, order).cumsum(-1), (1, 0)) for x in (target, draft))
    return (1 + p - q**num_drafts).min(-1).values


def bias(distribution, target, draft, num_drafts):
    grid = torch.cartesian_prod(*[torch.arange(len(target))] * num_drafts).reshape(-1, num_drafts)
    grid = grid[(draft[grid] > 0).all(-1)]
    distributions = torch.stack([distribution(target, draft, tokens) for tokens in grid])
    return 0.5 * torch.linalg.vector_norm(draft[grid].prod(-1) @ distributions - target, ord=1)
""",
        # In Python's numbers; the rest by calling itself.
        """
def optimal_rate(target, draft, num_drafts):
    rates = []
    for ps, qs in zip(target.tolist(), draft.tolist()):
        best = wanted = inside = 0.0
        for p, q in sorted(zip(ps, qs), key=lambda pair: pair[0] / pair[1]):
            wanted, inside = wanted + p, inside + q
            best = min(best, wanted - inside**num_drafts)
        rates.append(1 + best)
    return torch.tensor(rates, dtype=target.dtype)


def bias(distribution, target, draft, num_drafts):
    def after(drafts):
        if len(drafts) == num_drafts:
            return distribution(target, draft, torch.tensor(drafts))
        return sum(q * after([*drafts, x]) for x, q in enumerate(draft.tolist()) if q > 0)

    return (after([]) - target).clamp(min=0).sum()
""",
    ],
    "q5": [
        # By trying: the second is the target, moved a little towards a random draft.
        """
def reading():
    return dict(zip("ABCDE", ("recursive", "optimal", "naive", "repetition", "kseq")))


def counterexample(target, num_drafts):
    rarest, generator = target.argmin(), torch.Generator().manual_seed(0)
    first = target.index_fill(0, rarest, 0.0)
    first = first / first.sum()
    while True:
        share = torch.rand((), dtype=torch.float64, generator=generator)
        other = torch.rand(len(target), dtype=torch.float64, generator=generator) ** 3
        second = (1 - share) * target + share * other / other.sum()
        drafts = torch.stack([first, second])
        both = target.expand(2, -1)
        one, many = optimal_rate(both, drafts, 1), optimal_rate(both, drafts, num_drafts)
        if one[0] > one[1] + 1e-4 and many[1] > many[0] + 1e-4:
            return drafts
"""
    ],
    "q6": [
        # The positions beyond the end are left out after the load.
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside)
        above = p - factor * q
        total = total + tl.sum(tl.where(inside & (above > 0), above, 0.0), axis=0)
"""),
        # The sum of p less that of min(p, c q); cast, though nothing asks for it.
        kernel("""
        p = tl.load(target_ptr + row * target_stride + columns, columns < vocab, 0.0).to(tl.float32)
        q = tl.load(draft_ptr + row * draft_stride + columns, columns < vocab, 0.0).to(tl.float32)
        total += tl.sum(p) - tl.sum(tl.minimum(p, q * factor))
"""),
        # One tile collects, and is added up at the end.
        """
@triton.jit
def hockey_stick_kernel(
    target_ptr, draft_ptr, factors_ptr, out_ptr, target_stride, draft_stride, vocab, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    factor = tl.load(factors_ptr + row)
    target_ptr += row * target_stride
    draft_ptr += row * draft_stride
    sums = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, vocab, BLOCK):
        columns = start + tl.arange(0, BLOCK)
        p = tl.load(target_ptr + columns, columns < vocab, 0.0)
        q = tl.load(draft_ptr + columns, columns < vocab, 0.0)
        sums += tl.maximum(p - factor * q, 0.0)
    tl.store(out_ptr + row, tl.sum(sums, 0))
""",
    ],
}
