from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.hazards.dials import Dials
from bench.hazards.finding import Finding, Reply, Tally, does_not_apply
from bench.hazards.registry import hazard

if TYPE_CHECKING:
    from bench.hazards.stage import Scripted, Stage
    from bench.hazards.subject import Held, Seat, Subject

CALLS_COUNT = 4
_PAUSE_S = 0.05
_LONGEST_S = 10.0


@hazard(
    "H9",
    title="Trust and addresses go stale",
    raised_by="the host name moves; then the CA bundle and the server's certificate are changed; then the server "
    "shows its old certificate again, whose CA is no longer in the bundle; four calls after each",
    signatures={
        "asgi-lifespan": "silent harm 8 of 12: ConnectError",
        "celery-global-client": "silent harm 2 of 12: ConnectError, RuntimeError",
        "celery-persistent-loop": "silent harm 8 of 12: ConnectError",
        "celery-worker-init": "silent harm 8 of 12: ConnectError",
        "client-on-loop": "silent harm 8 of 12: ConnectError",
        "client-per-helper": "silent harm 8 of 12: ConnectError",
        "lazy-service": "silent harm 8 of 12: ConnectError",
        "lazy-service-mended": "silent harm 8 of 12: ConnectError",
        "loop-registry": "silent harm 8 of 12: ConnectError",
        "loop-weak-registry": "silent harm 8 of 12: ConnectError",
        "loops-in-threads": "silent harm 8 of 12: ConnectError",
        "module-client": "silent harm 8 of 12: ConnectError",
        "per-call-shared-context": "silent harm 4 of 12: ConnectError",
        "process-pool": "silent harm 8 of 12: ConnectError",
        "shared-sync-client": "silent harm 8 of 12: ConnectError",
        "shared-transport": "silent harm 8 of 12: ConnectError",
        "thread-local": "silent harm 8 of 12: ConnectError",
    },
)
def probe(subject: Subject, stage: Stage) -> Finding:
    """A first call, and then three changes of the world with four calls after each.

    - The host name moves to another address, while the old server still answers: calls that still reach the old one
      are harmed, for their callers cannot know it.
    - The CA bundle (``SSL_CERT_FILE``) is replaced by one with another CA alone, the server's certificate by one of
      that CA, and connections are cut, as by a restart: calls that fail are refused for ever, until somebody restarts
      the client too.
    - The server shows the certificate of the CA that was removed: calls that are answered trust what is no longer
      trusted, and are harmed. Here it is the refusal that is right.

    A strategy whose clients live for a batch begins a new batch after each change; an application's live on.
    The name is moved by what ``socket.getaddrinfo`` says in the processes of the probe.
    """
    if "SSL_CERT_FILE" not in os.environ:
        return does_not_apply("Its library takes its CA certificates from elsewhere.")
    name = _Name(stage)
    bundle = _Bundle(stage)
    server = stage.start(
        "bench.hazards.servers.scripted", addresses_count=2, other_certificate=str(stage.other_certificate)
    )
    old, new = server.ready["addresses"]
    name.move(old)
    with subject.held(server.target) as held:
        seats = _Seats(held, renewed=subject.scope == "batch" and subject.world != "asgi")
        first = seats.next().ask("first", limit_s=_LONGEST_S)
        if not first.is_right:
            raise RuntimeError(f"the first call, before any change, came out as {first.error or first.wrong or 'hung'}")

        name.move(new)
        moved = _calls(seats.next(), "moved")
        reached = {request["path"]: request["address"] for request in server.ask("seen")["requests"]}
        stale_count = sum(reached.get(reply.call.path) == old for reply in moved if reply.is_right)

        bundle.replace()
        _present(server, "other")
        renewed = _calls(seats.next(), "renewed")
        refused_count = sum("CERTIFICATE_VERIFY_FAILED" in (reply.error or "") for reply in renewed)

        _present(server, "usual")
        removed = _calls(seats.next(), "removed")
        trusted_count = sum(reply.is_right for reply in removed)
        seats.leave()

    # A refusal of what is no longer trusted is no failure.
    tally = Tally([*moved, *renewed])
    harmed_count = stale_count + trusted_count
    return Finding(
        "silent harm" if harmed_count else "broke" if tally.failed_count else "held",
        f"After each change {CALLS_COUNT} calls: {stale_count} went on to the old address, "
        f"{refused_count} refused the new CA, {trusted_count} accepted the removed one.",
        attempts_count=3 * CALLS_COUNT,
        failed_count=tally.failed_count,
        harmed_count=harmed_count,
        errors=tally.errors,
        observed={"to_old_address": stale_count, "refused_new_ca": refused_count, "accepted_removed_ca": trusted_count},
    )


def _calls(seat: Seat, name: str) -> list[Reply]:
    return [seat.ask(f"{name}-{number}", limit_s=_LONGEST_S) for number in range(CALLS_COUNT)]


def _present(server: Scripted, certificate: str) -> None:
    """Change the server's certificate, and cut its connections as its restart would."""
    server.ask("present", certificate=certificate)
    server.ask("cut")
    time.sleep(_PAUSE_S)  # so that no client takes a connection of which it has not yet heard that it is gone


@dataclass(slots=True)
class _Seats:
    """Where calls are made: one place for good, or a new one each time."""

    held: Held
    renewed: bool
    _seat: Seat | None = None

    def next(self) -> Seat:
        """Where the next calls are made."""
        if self.renewed:
            self.leave()
        if self._seat is None:
            from bench.hazards.subject import Seat

            self._seat = Seat(self.held)
        return self._seat

    def leave(self) -> None:
        """End the last one."""
        if self._seat is not None:
            self._seat.leave()
            self._seat = None


class _Bundle:
    """The trust bundle of this process, as a file of its own that can be replaced, as an update of packages does it."""

    def __init__(self, stage: Stage) -> None:
        self._file = stage.folder / "trust.pem"
        self._file.write_bytes(Path(os.environ["SSL_CERT_FILE"]).read_bytes())
        self._replacement = stage.other_ca.read_bytes()
        os.environ["SSL_CERT_FILE"] = str(self._file)

    def replace(self) -> None:
        """From now on it holds the other CA alone."""
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(self._replacement)
        fresh.rename(self._file)


class _Name:
    """Where ``localhost`` leads, in this process and in those that it starts."""

    def __init__(self, stage: Stage) -> None:
        self._file = stage.folder / "address"
        Dials(address_file=str(self._file))

    def move(self, address: str) -> None:
        """From now on it stands for ``address``."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(address)
        fresh.rename(self._file)
