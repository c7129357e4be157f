"""Key tables of the methods, and the import and export of checkpoints that works from them."""
