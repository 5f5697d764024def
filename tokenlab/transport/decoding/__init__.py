"""Drafts and verification on two real models."""
