"""From k drafts at one position to one token."""
