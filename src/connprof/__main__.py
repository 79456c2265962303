"""``python -m connprof``: the same as the ``connprof`` command."""

from connprof.cli import main

if __name__ == "__main__":
    main()
