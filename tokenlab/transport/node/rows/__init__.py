"""Rows of target and draft, for kernels."""
