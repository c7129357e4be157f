"""Strict readers of files from outside: what a file may hold is listed, the rest is refused."""
