"""Servers that a probe starts itself: standard library only, each a module that :meth:`Stage.start` runs."""
