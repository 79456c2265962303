import signal


def pytest_configure():
    """Let tests interrupt their children even where a background job made this process deaf to Ctrl-C.

    A signal that is ignored stays ignored across exec; a handler of ours does not.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
