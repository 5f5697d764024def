"""From logits to log-masses of the next byte."""
