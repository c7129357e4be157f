"""Feature necks."""
