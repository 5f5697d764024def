"""Passes over both rows that find the residual's threshold."""
