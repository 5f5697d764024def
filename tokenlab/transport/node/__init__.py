"""From k drafts at one position to one token.

Public: ``verify`` (the token), ``rates`` (how often it is a draft), ``drafts``; ``checks`` looks at their
arguments. Every rule is specified in ``reference``, as a ``verdict``, the optimal one in ``plan``.
``closed_forms`` and ``optimum`` compute rates, from the curve in ``thresholds``. ``kernels`` launches
those in ``rows``, ``threshold_search`` and ``residual``; ``backend`` says when.
"""
