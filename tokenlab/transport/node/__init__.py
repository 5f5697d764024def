"""From k drafts at one position to one token.

The public functions are in ``verify`` (the token), ``rates`` (how often it is a draft) and ``drafts``.
``reference`` is the specification of every rule, as a ``verdict``; ``plan`` is the optimal one.
``closed_forms`` and ``optimum`` compute rates, both from the curve in ``thresholds``. The kernels
begin in ``kernels``, and go on in ``threshold_search`` and ``residual``.
"""
