"""A comparison with its verdicts in the formats that people and CI systems read.

:func:`build` makes every sentence and row, and each format's module places them: :mod:`.text`, :mod:`.markdown`,
:mod:`.html`, :mod:`.junit`, :mod:`.github`; :mod:`.json` keeps the figures. Only :mod:`.html` needs more than a bare
installation.
"""

from connprof.report.comparing.view import CompareView, Line, Payer, build

__all__ = ["CompareView", "Line", "Payer", "build"]
