"""connprof: what a Python HTTP client costs, and which line pays."""

__all__ = ["__version__"]

__version__ = "0.1.0"
