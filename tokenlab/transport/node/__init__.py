"""From k drafts at one position to one token.

Public: ``verify`` (the token), ``rates`` (how often it is a draft), ``drafts``. Every rule is specified in
``reference``, as a ``verdict``, the optimal one in ``plan``. ``closed_forms`` and ``optimum`` compute
rates, from the curve in ``thresholds``. Kernels: ``kernels``, ``threshold_search``, ``residual``.
"""
