"""Five helper modules as they stood after the incident: one client each, made once, and an optional session for tests.

The suite tells them where their service is; a real project would read that from its settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.helpers import crawler_api, datagouv_api, matomo, metrics_api, tabular_api

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["BY_ORIGIN"]

BY_ORIGIN: dict[str, ModuleType] = {
    "datagouv": datagouv_api,
    "tabular": tabular_api,
    "crawler": crawler_api,
    "metrics": metrics_api,
    "matomo": matomo,
}
