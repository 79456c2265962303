from __future__ import annotations

from typing import TYPE_CHECKING

from bench.hazards.finding import Finding, Tally
from bench.hazards.registry import hazard
from bench.hazards.subject import call_of

if TYPE_CHECKING:
    from bench.hazards.stage import Scripted, Stage
    from bench.hazards.subject import Held, Subject

USERS_COUNT = 20


@hazard(
    "H10",
    title="Users share an identity",
    raised_by="20 users are each given a cookie by a host with a name, and then each make one more call",
    signatures={
        "base-url-loop": "silent harm 19 of 20",
        "client-on-loop": "silent harm 19 of 20",
        "client-per-helper": "silent harm 19 of 20",
        "lazy-service": "silent harm 19 of 20",
        "lazy-service-mended": "silent harm 19 of 20",
        "loop-registry": "silent harm 19 of 20",
        "loop-weak-registry": "silent harm 19 of 20",
        "module-client": "silent harm 19 of 20",
        "one-client": "silent harm 19 of 20",
        "shared-sync-client": "silent harm 19 of 20",
        "sync-client": "silent harm 19 of 20",
        "thread-local": "silent harm 19 of 20",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """20 users log in, one after another, and are given a cookie each; then each makes one more call.

    A client keeps one jar for all who use it, so that everybody's second call carries the cookie of whoever logged in
    last. The host is called by its name: cookies for addresses are treated differently.

    All users are served in one batch; where a strategy's clients live for a batch, a second round with a batch for
    each user is counted as well, for whom the harm ends there.
    """
    server = stage.start("bench.hazards.servers.scripted")
    with subject.held(server.target) as held:
        with held.seat() as seat:
            for user in range(USERS_COUNT):
                seat.ask(f"login-{user}-in")
            tally = Tally([seat.ask(f"then-{user}-one") for user in range(USERS_COUNT)])
        sent = _cookies(server)
        carried = [sent.get(_path(f"then-{user}-one"), "") for user in range(USERS_COUNT)]
        foreign_count = sum(cookie not in {"", f"user={user}"} for user, cookie in enumerate(carried))
        tally.observed = {"sent_own_cookie": sum(c == f"user={user}" for user, c in enumerate(carried))}
        if subject.scope == "batch":
            tally.observed["sent_anothers_with_a_batch_each"] = _with_a_batch_each(held, server)
    where = " of the same batch" if subject.scope == "batch" else ""
    if foreign_count:
        symptom = f"{foreign_count} of {USERS_COUNT} users sent the cookie of another user{where}."
    else:
        symptom = f"None of {USERS_COUNT} users sent the cookie of another."
    return tally.finding(symptom, harmed_count=foreign_count)


def _with_a_batch_each(held: Held, server: Scripted) -> int:
    for user in range(USERS_COUNT):
        held.calls([call_of(f"login-{user}-batch"), call_of(f"then-{user}-batch")])
    sent = _cookies(server)
    return sum(sent.get(_path(f"then-{user}-batch"), "") not in {"", f"user={user}"} for user in range(USERS_COUNT))


def _path(name: str) -> str:
    return call_of(name).path


def _cookies(server: Scripted) -> dict[str, str]:
    """Path -> the cookies that came with it."""
    return {request["path"]: request["cookie"] for request in server.ask("seen")["requests"]}
