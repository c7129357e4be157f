"""Key tables of the methods, and import and export of checkpoints with these tables."""
