"""Version of the package, the single source that ``setup.py`` reads."""

__version__ = '0.2.0'
