"""Random samples for tests of your own modules."""
