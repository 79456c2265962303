from .core import Client, open_session as opened

__all__ = ["Client", "opened"]
