"""Synthetic streets in the layout of SemanticKITTI."""
