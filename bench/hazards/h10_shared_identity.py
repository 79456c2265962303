from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

from bench.hazards.finding import Finding, Tally
from bench.hazards.registry import hazard
from bench.hazards.subject import call_of

if TYPE_CHECKING:
    from bench.hazards.finding import Reply
    from bench.hazards.stage import Scripted, Stage
    from bench.hazards.subject import Held, Seat, Subject

USERS_COUNT = 20
_LONGEST_S = 10.0


@hazard(
    "H10",
    title="Users share an identity",
    raised_by="20 users are each given a cookie by a host with a name, and then each make one more call",
    signatures={
        "asgi-lifespan": "silent harm 19 of 20",
        "base-url-loop": "silent harm 19 of 20",
        "celery-global-client": "silent harm 19 of 20: RuntimeError",
        "celery-persistent-loop": "silent harm 19 of 20",
        "celery-worker-init": "silent harm 19 of 20",
        "client-on-loop": "silent harm 19 of 20",
        "client-per-helper": "silent harm 19 of 20",
        "lazy-service": "silent harm 19 of 20",
        "lazy-service-mended": "silent harm 19 of 20",
        "loop-registry": "silent harm 19 of 20",
        "loop-weak-registry": "silent harm 19 of 20",
        "loops-in-threads": "silent harm 19 of 20",
        "module-client": "silent harm 19 of 20",
        "one-client": "silent harm 19 of 20",
        "process-pool": "silent harm 19 of 20",
        "shared-sync-client": "silent harm 19 of 20",
        "sync-client": "silent harm 19 of 20",
        "thread-local": "silent harm 19 of 20",
        "tuned-client": "silent harm 19 of 20",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """20 users log in, one after another, and are given a cookie each; then each makes one more call.

    A client keeps one jar for all who use it, so that everybody's second call carries the cookie of whoever logged in
    last. The host is called by its name: cookies for addresses are treated differently.

    All users are served in one batch; where a strategy's clients live for a batch, a round with a batch for each user
    is counted as well, for whom the harm ends there. Where users were harmed, a last round shows the cure: a jar that
    takes no cookies, ``DefaultCookiePolicy(allowed_domains=[])``.
    """
    server = stage.start("bench.hazards.servers.scripted")
    observed: dict[str, int] = {}
    is_batch = subject.scope == "batch" and subject.world != "asgi"  # an application serves all users at once
    with subject.held(server.target) as held, held.seat() as seat:
        replies, carried = _users(seat, server, "shared")
        foreign_count = _foreign_count(carried)
        observed["sent_own_cookie"] = sum(cookie == f"user={user}" for user, cookie in enumerate(carried))
        if is_batch:
            observed["sent_anothers_with_a_batch_each"] = _foreign_count(_with_a_batch_each(held, server))
        if foreign_count and subject.world not in {"celery", "processes"}:  # whose jars are out of reach
            _take_no_cookies()
            _replies, cured = _users(seat, server, "cured")
            observed["sent_anothers_with_an_empty_jar"] = _foreign_count(cured)
    where = " of the same batch" if is_batch else ""
    if foreign_count:
        symptom = f"{foreign_count} of {USERS_COUNT} users sent the cookie of another user{where}."
    else:
        symptom = f"None of {USERS_COUNT} users sent the cookie of another."
    return Tally(replies, observed).finding(symptom, harmed_count=foreign_count)


def _users(seat: Seat, server: Scripted, name: str) -> tuple[list[Reply], list[str]]:
    """Each user logs in, and then each makes one more call; returns the replies to these, and the cookies in them."""
    for user in range(USERS_COUNT):
        seat.ask(f"login-{user}-{name}", limit_s=_LONGEST_S)
    replies = [seat.ask(f"then-{user}-{name}", limit_s=_LONGEST_S) for user in range(USERS_COUNT)]
    return replies, _carried(server, name)


def _with_a_batch_each(held: Held, server: Scripted) -> list[str]:
    for user in range(USERS_COUNT):
        held.calls([call_of(f"login-{user}-batch"), call_of(f"then-{user}-batch")])
    return _carried(server, "batch")


def _carried(server: Scripted, name: str) -> list[str]:
    """The cookies that each user's second call carried."""
    cookies = {request["path"]: request["cookie"] for request in server.ask("seen")["requests"]}
    return [cookies.get(call_of(f"then-{user}-{name}").path, "") for user in range(USERS_COUNT)]


def _foreign_count(carried: list[str]) -> int:
    return sum(cookie not in {"", f"user={user}"} for user, cookie in enumerate(carried))


def _take_no_cookies() -> None:
    """Make every jar of this process one with ``DefaultCookiePolicy(allowed_domains=[])``: it allows no domain."""

    def is_not_allowed(_policy: DefaultCookiePolicy, domain: str) -> bool:  # noqa: ARG001 - each of them
        return True

    setattr(DefaultCookiePolicy, "is_not_allowed", is_not_allowed)  # noqa: B010 - its published type is wrong
