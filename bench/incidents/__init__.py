"""Published regressions: what was said, and which strategies stand for before and after."""

from __future__ import annotations

from bench.incidents.datagouv_67 import DATAGOUV_67

__all__ = ["INCIDENTS"]

INCIDENTS = {incident.id: incident for incident in (DATAGOUV_67,)}
