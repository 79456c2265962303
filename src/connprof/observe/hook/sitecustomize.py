"""What ``connprof run`` puts into every Python process that it starts: it waits for the first HTTP or TLS library.

Python imports ``sitecustomize`` before anything else. This one is first on ``PYTHONPATH``, in a folder of its run,
and hands over to the one that it hides. Any interpreter may come upon it, so it is written in what all of them
understand, and one that is too old is left alone. Nothing is loaded before the program itself imports something
that may connect; nothing in here fails, and nothing is printed.
"""

import os
import sys

OLDEST = (3, 11)

TRIGGERS = frozenset(
    (
        "OpenSSL", "aiobotocore", "aiohttp", "aioquic", "anyio", "asyncio", "boto3", "botocore", "concurrent",
        "curl_cffi", "grpc", "h11", "h2", "http", "httpcore", "httpcore2", "httplib2", "httpx", "httpx2", "jh2",
        "niquests", "primp", "pycurl", "pyreqwest", "qh3", "requests", "rnet", "ssl", "tls_client", "trio",
        "truststore", "urllib3", "urllib3_future", "uvloop", "websockets",
    )
)  # fmt: skip
"""Packages whose import begins the observation. It must begin before they are there, not when they connect: an
observer that comes while ``http.client`` is half imported has missed it."""

FOREIGN = frozenset(("gevent.monkey", "eventlet"))


def _first_words(folder):
    """Tell the run that a Python process began here, and give back the file that says so."""
    import time

    name = os.path.join(folder, "python-%d-%d" % (os.getpid(), int(time.time() * 1e9)))
    _add(name, "%d.%d.%d\n%s\n" % (tuple(sys.version_info[:3]) + (sys.executable or "",)))
    return name


def _add(name, text):
    try:
        number = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(number, text.encode("utf-8", "replace"))
        finally:
            os.close(number)
    except Exception:
        return False
    return True


class Waiting(object):
    """Stands first on ``sys.meta_path``, finds nothing itself, and is gone when the observation begins."""

    def __init__(self, folder, package, words):
        self.folder = folder
        self.package = package
        self.words = words
        self.has_tried = False
        self.started = None

    def find_spec(self, name, path=None, target=None):
        """The spec that the other finders give, where ``name`` is what was waited for."""
        if self not in sys.meta_path:
            return None
        if name in FOREIGN:
            # It puts its own sockets in the place of Python's, and wants to be there before ssl is.
            sys.meta_path.remove(self)
            self.has_tried = True
            self.tell("%s was imported, whose own sockets connprof cannot follow." % name)
            return None
        if name.partition(".")[0] not in TRIGGERS:
            return None
        self.begin()
        if name in sys.modules:
            return _spec_of_loaded(name)
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec = None if find is None else find(name, path, target)
            if spec is not None:
                return spec
        return None

    def begin(self):
        """Observe from now on."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        self.has_tried = True
        try:
            _load(self.package)
            import connprof.observe.start

            self.started = connprof.observe.start  # the program may drop it from sys.modules
            self.started.begin(self.folder)
        except Exception:
            self.tell(sys.exc_info()[0].__name__)

    def tell(self, failure):
        """Leave word that this process is not observed; where there is no room for it, in a link."""
        if not _add(self.words, "%s\n" % failure):
            try:
                os.symlink(failure, os.path.join(self.folder, "unwritten-%d-0" % os.getpid()))
            except Exception:
                return

    def end(self):
        """The interpreter ends."""
        if self.started is not None:
            self.started.end()
        elif not self.has_tried:
            unseen = sorted(TRIGGERS.intersection(sys.modules))
            if unseen:
                self.tell("sys.meta_path was changed, and %s imported unseen." % ", ".join(unseen))


class Loaded(object):
    """Loads a module that was loaded while its spec was being looked for: the observer needs ``ssl`` itself."""

    def __init__(self, module):
        self.module = module
        self.spec = module.__spec__

    def create_module(self, spec):
        """The module that is there."""
        return self.module

    def exec_module(self, module):
        """Nothing, but for the spec that the import system has just replaced."""
        module.__spec__ = self.spec


def _spec_of_loaded(name):
    from importlib.util import spec_from_loader

    module = sys.modules[name]
    spec = spec_from_loader(name, Loaded(module))
    # The import system takes no finder's word for a module that has arrived meanwhile, but the module's own.
    module.__spec__ = spec
    return spec


def _load(package):
    """Load our package from where it is, without a look at what else is installed there."""
    if "connprof" in sys.modules:
        return
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(
        "connprof", os.path.join(package, "__init__.py"), submodule_search_locations=[package]
    )
    module = sys.modules["connprof"] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules["connprof"]
        raise


def _enter():
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    sys.path_importer_cache.pop(here, None)
    folder = os.environ.get("CONNPROF_RUN_FOLDER")
    package = os.environ.get("CONNPROF_RUN_PACKAGE")
    # Of nested runs, the innermost observes. Where the run is over, its folder is gone.
    if not folder or not package or os.path.dirname(here) != folder or not os.path.isdir(folder):
        return
    words = _first_words(folder)
    if sys.version_info < OLDEST:
        return
    import atexit

    waiting = Waiting(folder, package, words)
    atexit.register(waiting.end)  # the first to be registered is the last to be called
    sys.meta_path.insert(0, waiting)
    if not TRIGGERS.isdisjoint(sys.modules):
        waiting.begin()


try:
    _enter()
except Exception:  # whatever it is, it is ours and not the program's
    pass

# The one that this one hides, or the ImportError that says that there is none, as if we had never been here.
sys.modules.pop("sitecustomize", None)
import sitecustomize
