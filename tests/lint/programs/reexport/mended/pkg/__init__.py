from .net import session
