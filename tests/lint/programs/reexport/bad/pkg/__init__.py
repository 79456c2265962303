from .net import *
from .net.core import open_session
