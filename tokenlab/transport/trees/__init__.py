"""From a tree of drafts to a path."""
