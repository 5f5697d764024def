"""Passes over both rows that find the threshold between accepted and residual mass."""
