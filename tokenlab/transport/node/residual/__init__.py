"""A draw from the residual, where no draft is accepted."""
