"""From logits to log-masses of the next byte: a sum over the tokens that bring it.

``reference`` is the specification, ``kernels`` the same on a GPU, ``api`` checks and chooses.
"""
