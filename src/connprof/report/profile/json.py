"""A profile for other programs: exactly what it is, unrounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

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
        return encode(_readable(msgspec.to_builtins(profile))).decode()


def _readable(value: Any) -> Any:
    """``value`` with its escape spelled out where a byte is no text."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_readable(key): _readable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(each) for each in value]
    return value
