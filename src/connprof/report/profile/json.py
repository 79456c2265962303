"""A profile for other programs: exactly what it is, unrounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from connprof.plain import readable
from connprof.store import encode

if TYPE_CHECKING:
    from connprof.profile import Profile

__all__ = ["render"]


def render(profile: Profile) -> str:
    """The whole document; its schema is :data:`connprof.profile.PROFILE_SCHEMA`."""
    try:
        return encode(profile).decode()
    except UnicodeEncodeError:
        # A file's name and a command's argument may hold bytes that are no text, which JSON cannot.
        return encode(readable(msgspec.to_builtins(profile))).decode()
