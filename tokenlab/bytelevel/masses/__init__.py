"""From logits to log-masses of the next byte: a sum over the tokens that bring it.

Tokens stand in the order of their byte strings, so those that begin with the bytes read so far are
one range. ``reference`` is the specification, ``kernels`` the same on a GPU, ``api`` checks and chooses.
"""
