"""What frameworks call, and how often: read from decorators, bases, names and registrations.

Tables of words. A framework that is not in them makes findings less sure, not wrong.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from connprof.lint.fates import last_name
from connprof.lint.source import dotted

if TYPE_CHECKING:
    from connprof.lint.project import Project
    from connprof.lint.source import Function

__all__ = [
    "Role",
    "Way",
    "is_cached",
    "is_called_by",
    "is_context_manager",
    "is_fixture",
    "is_property",
    "role_of",
    "way_of_passing",
]


class Role(Enum):
    """What a function is to whatever calls it."""

    HANDLER = auto()
    """Called for every request, message or task."""
    ONCE = auto()
    """Called once in a process, or once in a test."""
    START = auto()
    """Reads like something that is called once."""
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Way:
    """A role, and what shows it."""

    role: Role
    why: str = ""
    sure: bool = True


_CACHES: Final = frozenset(
    {"lru_cache", "cache", "cached", "cached_property", "alru_cache", "cache_resource", "singleton", "memoize",
     "memoized", "once", "reify", "cachedmethod", "async_cache", "run_once"}
)  # fmt: skip
_VERBS: Final = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "trace"})
_ROUTES: Final = _VERBS | {
    "route", "api_route", "websocket", "websocket_route", "middleware", "before_request", "after_request",
    "teardown_request", "exception_handler", "errorhandler", "expose", "view_config", "api_view", "action", "view",
    "get_json", "http_get", "http_post", "on_request", "function_name", "timer_trigger", "http_trigger",
}  # fmt: skip
_TASKS: Final = frozenset(
    {"task", "shared_task", "actor", "periodic_task", "db_task", "db_periodic_task", "job", "cron", "cron_job",
     "scheduled_job", "on_message", "message_handler", "subscriber", "consumer", "tool", "resource", "prompt",
     "call_tool", "list_tools", "read_resource", "list_resources", "get_prompt", "function_tool", "kernel_function",
     "activity", "on_chat_message", "callback_query", "slash_command", "event"}
)  # fmt: skip
_BOTS: Final = frozenset({"bot", "client", "tree", "commands", "app_commands", "dp", "discord"})
_ONCE_DECORATORS: Final = frozenset(
    {"before_serving", "before_first_request", "on_startup", "on_shutdown", "after_serving", "lifespan",
     "before_server_start", "after_server_start", "session", "callback", "main", "default"}
)  # fmt: skip
_ONCE_OWNERS: Final = frozenset(
    {"worker_process_init", "worker_init", "celeryd_init", "worker_ready", "worker_shutdown", "worker_process_shutdown",
     "celeryd_after_setup", "got_first_request", "invoke"}
)  # fmt: skip
_HANDLER_BASES: Final = frozenset(
    {"View", "APIView", "GenericAPIView", "MethodView", "HTTPEndpoint", "WebSocketEndpoint", "RequestHandler",
     "Resource", "BaseHTTPMiddleware", "BaseHTTPRequestHandler", "SimpleHTTPRequestHandler", "HTTPMethodView",
     "ViewSet", "GenericViewSet", "ModelViewSet", "ReadOnlyModelViewSet", "TemplateView", "ListView", "DetailView",
     "FormView", "RedirectView", "CreateView", "UpdateView", "DeleteView", "AsyncHttpConsumer",
     "BaseView", "Task"}
)  # fmt: skip
_HANDLER_METHODS: Final = _VERBS | {
    "dispatch", "list", "retrieve", "create", "update", "partial_update", "destroy", "handle", "on_get", "on_post",
    "on_put", "on_delete", "on_receive", "receive", "do_GET", "do_POST", "do_PUT", "do_DELETE", "do_HEAD", "run",
    "form_valid", "get_queryset", "get_context_data", "on_connect", "on_disconnect",
}  # fmt: skip
_TEST_METHODS: Final = frozenset(
    {"setUp", "asyncSetUp", "setUpClass", "setUpModule", "setup_method", "setup_class", "setup_module", "tearDown"}
)
_MAIN: Final = frozenset({"main", "amain", "async_main", "main_async", "_main", "_amain", "lifespan", "ready",
                          "create_app", "make_app", "build_app", "on_startup", "startup_event", "startup"})  # fmt: skip
_STARTS: Final = (
    "setup", "start", "init", "run", "cli", "bootstrap", "configure", "serve", "register", "async_setup", "build",
    "create", "make", "connect", "load_config", "launch", "install", "download", "on_ready",
)  # fmt: skip
_REGISTERING: Final = frozenset(
    {"add_api_route", "add_route", "Route", "WebSocketRoute", "add_url_rule", "path", "re_path", "url", "add_get",
     "add_post", "add_put", "add_patch", "add_delete", "add_view", "add_websocket_route", "add_tool", "register_tool",
     "add_resource", "as_view", "APIRoute", "add_api_websocket_route", "add_middleware", "Middleware", "Depends",
     "Security", "Provide"}
)  # fmt: skip
_MAPPING: Final = frozenset(
    {"map", "imap", "imap_unordered", "starmap", "map_async", "starmap_async", "amap", "apply"}
)  # fmt: skip
_CALLBACKS: Final = frozenset(
    {"add_job", "every", "do", "add_task", "add_done_callback", "subscribe", "add_handler", "call_later", "on",
     "on_message", "add_listener", "async_track_time_interval", "schedule", "run_repeating", "PeriodicCallback"}
)  # fmt: skip
_STARTING: Final = frozenset(
    {"on_startup", "on_shutdown", "lifespan", "startup", "shutdown", "initializer", "on_start"}
)
_CALLING: Final = frozenset(
    {"submit", "run_in_executor", "to_thread", "run_sync", "Thread", "Process", "Timer", "partial", "start_soon",
     "create_task", "call_soon", "apply_async", "run", "run_in_threadpool", "sync_to_async", "async_to_sync",
     "wrap", "retry", "call_soon_threadsafe", "spawn", "ensure_future"}
)  # fmt: skip


def _decorators(function: Function) -> list[tuple[str, str, ast.expr]]:
    """Owner and last name of each, and the expression."""
    found = []
    for each in function.node.decorator_list:
        plain = each.func if isinstance(each, ast.Call) else each
        owner, _, last = dotted(plain).rpartition(".")
        found.append((owner.rpartition(".")[2], last, each))
    return found


def is_cached(function: Function) -> bool:
    """Called again, it gives the same object."""
    return any(last in _CACHES for _, last, _ in _decorators(function))


def is_fixture(function: Function) -> bool:
    """A pytest fixture, of whichever scope: what a test needs is its own affair."""
    return any(last.endswith("fixture") for _, last, _ in _decorators(function))


def is_called_by(way: Way) -> bool:
    """Whether what is given that way is known to be called."""
    return way.role is Role.HANDLER or way.why == "called"


def is_property(function: Function) -> bool:
    """Each use of the attribute calls it."""
    return any(last == "property" for _, last, _ in _decorators(function))


def is_context_manager(function: Function) -> bool:
    """``with f() as x`` gives what it yields."""
    return any(last in {"contextmanager", "asynccontextmanager"} for _, last, _ in _decorators(function))


def role_of(project: Project, function: Function) -> Way:
    """What decorators, bases and names say about how often ``function`` is called."""
    for way in (
        _by_decorator(function),
        _by_test(project, function),
        _by_class(project, function),
        _by_parameters(function),
        _by_name(function),
    ):
        if way.role is not Role.UNKNOWN:
            return way
    return Way(Role.UNKNOWN)


def _by_decorator(function: Function) -> Way:
    for owner, last, node in _decorators(function):
        shown = f"@{owner}.{last}" if owner else f"@{last}"
        if owner == "mark" or last in {"setter", "getter"}:
            continue
        if last in _ONCE_DECORATORS or owner in _ONCE_OWNERS or _starts_up(last, node) or last.endswith("fixture"):
            return Way(Role.ONCE, shown)
        if last in {"command", "group", "hybrid_command"}:
            return Way(Role.HANDLER if owner in _BOTS else Role.ONCE, shown)
        if last in _TASKS or (owner == "activity" and last == "defn"):
            return Way(Role.HANDLER, shown)
        if last in _ROUTES and (isinstance(node, ast.Call) or last in {"expose", "before_request", "after_request"}):
            return Way(Role.HANDLER, shown)
    return Way(Role.UNKNOWN)


def _starts_up(last: str, node: ast.expr) -> bool:
    """``@app.on_event("startup")``, ``@app.listener("before_server_start")``."""
    if last not in {"on_event", "listener"} or not isinstance(node, ast.Call) or not node.args:
        return False
    first = node.args[0]
    return isinstance(first, ast.Constant) and ("start" in str(first.value) or "shutdown" in str(first.value))


def _by_test(project: Project, function: Function) -> Way:
    if function.name in _TEST_METHODS:
        return Way(Role.ONCE, "a test's preparation")
    owner = function.own_class
    in_test_class = owner is not None and (
        owner.name.startswith("Test") or any("TestCase" in base for base in project.outer_bases(owner))
    )
    if function.name.startswith("test") and (in_test_class or function.module.is_test or function.name[4:5] == "_"):
        return Way(Role.ONCE, "a test")
    return Way(Role.UNKNOWN)


def _by_class(project: Project, function: Function) -> Way:
    owner = function.own_class
    if owner is None:
        return Way(Role.UNKNOWN)
    if function.name == "handle" and any(base.endswith("BaseCommand") for base in project.outer_bases(owner)):
        return Way(Role.ONCE, "a management command")
    if function.name in _HANDLER_METHODS:
        for base in project.outer_bases(owner):
            last = base.rpartition(".")[2]
            if last in _HANDLER_BASES:
                return Way(Role.HANDLER, f"a method of a {last}")
    return Way(Role.UNKNOWN)


_BY_PARAMETERS: Final = {
    ("scope", "receive", "send"): "an ASGI application",
    ("request", "call_next"): "a middleware",
    ("event", "context"): "an AWS Lambda handler",
}


def _by_parameters(function: Function) -> Way:
    given = function.node.args
    arguments = [each for each in (*given.posonlyargs, *given.args) if each.arg not in {"self", "cls"}]
    names = tuple(each.arg for each in arguments)
    if names in _BY_PARAMETERS:
        return Way(Role.HANDLER, _BY_PARAMETERS[names])
    if names[:1] != ("request",) or function.own_class is not None:
        return Way(Role.UNKNOWN)
    annotation = arguments[0].annotation
    if annotation is not None and last_name(annotation).endswith("Request"):
        return Way(Role.HANDLER, f"it takes a {last_name(annotation)}", sure=function.parent is function.module)
    by_file = annotation is None and function.module.path.stem.startswith(("view", "handler", "route", "endpoint"))
    return Way(Role.HANDLER, "it takes a request", sure=by_file)


def _by_name(function: Function) -> Way:
    if function.own_class is None and function.name in _MAIN:
        return Way(Role.ONCE, f"{function.name}() by its name")
    bare = function.name.strip("_")
    needed = [each for each in function.parameters if each not in {"self", "cls"}]
    runs = bare == "run" and function.own_class is None
    prepares = runs or bare.startswith(("async_setup", "setup", "init", "start"))
    if any(bare == start or bare.startswith(f"{start}_") for start in _STARTS) and (prepares or not needed):
        return Way(Role.START, f"{function.title} reads as if it were called once")
    return Way(Role.UNKNOWN)


def way_of_passing(call: ast.Call, keyword: str | None) -> Way:
    """What it means for a function to be given to ``call`` instead of being called."""
    name = last_name(call.func)
    if keyword in _STARTING:
        return Way(Role.ONCE, f"{keyword}=")
    if name in {"add_event_handler", "register", "connect"}:
        return Way(Role.ONCE, f"given to {name}()")
    if name in _REGISTERING or (name in _VERBS and dotted(call.func).startswith("web.")):
        return Way(Role.HANDLER, f"{name}()")
    if name in _MAPPING:
        # pandas maps with apply(), and a pool of processes calls once.
        return Way(Role.HANDLER, f"mapped over by {name}()", sure=name != "apply")
    if name in _CALLBACKS:
        return Way(Role.HANDLER, f"given to {name}()", sure=False)
    return Way(Role.UNKNOWN, "called" if name in _CALLING else f"given to {name or 'another function'}()")
