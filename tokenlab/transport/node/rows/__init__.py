"""Rows of target and draft, as the kernels read them."""
