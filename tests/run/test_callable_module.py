"""``connprof.observe()`` after a mere ``import connprof``."""

import ssl
import subprocess
import sys

import pytest

import connprof
from connprof.observe.window import observe


def test_the_module_opens_a_window():
    with connprof.observe() as observation:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert observation.counts.contexts_count == 1


def test_the_module_decorates():
    @connprof.observe()
    def make():
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    make()
    assert make.observation.counts.contexts_count == 1


@pytest.mark.parametrize("decorator", [connprof.observe, observe])
def test_it_decorates_without_parentheses(decorator):
    @decorator
    def make():
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return 3

    assert make() == 3
    assert make.observation.counts.contexts_count == 1


def test_options_go_by_name():
    for arguments in ((3,), (print, print)):
        with pytest.raises(TypeError, match="takes its options by name"):
            connprof.observe(*arguments)


def test_it_is_the_function_that_the_module_holds():
    assert connprof.observe.observe is observe


def test_other_names_are_unknown_as_ever():
    with pytest.raises(AttributeError, match="no attribute 'observed'"):
        connprof.observed  # noqa: B018


def test_nothing_is_loaded_before_it_is_asked_for():
    code = "import sys, connprof; a = 'ssl' in sys.modules; connprof.observe; print(a, 'ssl' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"
