"""A token of what is left of the target where no draft is accepted."""
