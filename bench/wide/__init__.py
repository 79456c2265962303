"""The wide run, ``nox -s matrix``: strategies, axes and hazards; what is known is not measured again."""
