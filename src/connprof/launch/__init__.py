"""Starting a program under observation, following it to its end, and reading what its processes left.

``program`` finds out what is meant, ``folder`` holds what one run needs on disk, ``child`` runs it and passes signals
on, ``gathered`` reads what was left; ``memory``, ``live``, ``limits`` and ``hot`` are what can be asked for beside it.
"""
