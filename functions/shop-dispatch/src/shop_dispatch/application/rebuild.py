"""Makes the read model anew beside the live one, in steps of bounded time, and puts it in its place.

All state is in the database and is committed with the work that it describes, so the next step goes on after any crash.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from shop_dispatch.application.project import Project
from shop_dispatch.domain.rebuild import EventSource, Missing, Phase, Progress, RebuildError
from shop_dispatch.ports import EventReader, Shadow

BATCH_EVENTS: Final = 5_000
DRAINS_MAX: Final = 20
"""A swap takes at most so many batches of live events before it and again within it. More are needed only where events
arrive faster than they are applied."""


@dataclass(frozen=True)
class Rebuild:
    shadow: Shadow
    source: Callable[[EventSource], EventReader]
    now: Callable[[], float] = field(default=time.monotonic)

    def status(self) -> Progress:
        return self.shadow.progress()

    def begin(self, source: EventSource) -> None:
        with self.shadow.claimed():
            match self.shadow.progress().phase:
                case Phase.NONE:
                    self.shadow.begin(source)
                case Phase.SWAPPED:
                    raise RebuildError(
                        "old-tables", "the tables from before the last rebuild are still there: drop them"
                    )
                case _:
                    raise RebuildError("under-way", "a rebuild is under way: continue or abandon it")

    def go_on(self, seconds: float, *, replace: bool = False) -> None:
        """Works until the time is over, or only the swap is left to do. It always completes the batch or index that it
        has begun. Raises RebuildError when the source lacks events that the live tables have, or has others in their
        places; with `replace` the source is the truth."""
        deadline = self.now() + seconds
        with self.shadow.claimed():
            while self._step(deadline, replace) and self.now() < deadline:
                pass

    def difference(self) -> Missing:
        """Reads both logs from end to end, and returns what a swap would replace or forget."""
        return self.shadow.missing()

    def swap(self, *, replace: bool = False) -> None:
        """Raises BusyError when others hold the locks that it needs; nothing has changed then."""
        with self.shadow.claimed():
            if self._under_way(replace).phase is not Phase.READY:
                raise RebuildError("not-ready", "the new tables are not ready: continue first")
            self._drain(replace)
            with self.shadow.whole():
                self.shadow.hold_projections()
                self._under_way()
                # Nobody can add to the live log now.
                self._drain(replace)
                if not replace:
                    _refuse(self.shadow.behind())
                self.shadow.swap()

    def drop_old(self) -> None:
        with self.shadow.claimed():
            if not self.shadow.drop_old():
                raise RebuildError("no-old-tables", "there are no tables from before a rebuild")

    def abandon(self) -> None:
        with self.shadow.claimed():
            if self.shadow.progress().phase in (Phase.NONE, Phase.SWAPPED):
                raise RebuildError("not-under-way", "no rebuild is under way")
            self.shadow.abandon()

    def _step(self, deadline: float, replace: bool) -> bool:
        """Returns whether there is more to do."""
        progress = self._under_way(replace)
        match progress.phase:
            case Phase.LOADING:
                self._load(progress, deadline)
            case Phase.INDEXING:
                self._index(progress)
            case _:
                return self._catch_up(progress, replace)
        return True

    def _under_way(self, replace: bool = False) -> Progress:
        progress = self.shadow.progress()
        if progress.phase in (Phase.NONE, Phase.SWAPPED):
            raise RebuildError("not-under-way", "no rebuild is under way: begin one")
        if not progress.same_release:
            raise RebuildError(
                "other-release",
                "it was begun by another release, or before the last migration, and would mix the two: abandon it",
            )
        if replace and progress.source is EventSource.LOG:
            raise RebuildError("log-replaced", "the log is what would be replaced: abandon it, and name another source")
        return progress

    def _load(self, progress: Progress, deadline: float) -> None:
        if progress.source is None:
            raise AssertionError("a rebuild has a source")
        for batch in self.source(progress.source).batches(progress.checkpoint):
            with self.shadow.whole():
                unreadable = Project(self.shadow)(batch.records).parked
                self.shadow.loaded(batch.checkpoint, len(batch.records), unreadable)
                if batch.checkpoint is None:
                    self.shadow.enter(Phase.INDEXING)
            if self.now() >= deadline:
                return

    def _index(self, progress: Progress) -> None:
        if self.shadow.make_next_index():
            return
        self.shadow.tidy()
        with self.shadow.whole():
            if progress.source is EventSource.ARCHIVE:
                self.shadow.note_what_is_not_archived_yet()
            self.shadow.enter(Phase.CATCHING_UP)

    def _catch_up(self, progress: Progress, replace: bool) -> bool:
        if self._drain_once(replace) == BATCH_EVENTS:
            return True
        if progress.phase is not Phase.READY:
            if not replace:
                _refuse(self.shadow.missing())
                _refuse(self.shadow.behind())
            self.shadow.enter(Phase.READY)
        return False

    def _drain(self, replace: bool) -> None:
        for _ in range(DRAINS_MAX):
            if self._drain_once(replace) < BATCH_EVENTS:
                return
        raise RebuildError("behind", "too many events have arrived: continue first")

    def _drain_once(self, replace: bool) -> int:
        with self.shadow.whole():
            taken, records = self.shadow.take_noted(BATCH_EVENTS)
            conflicts = Project(self.shadow)(records).conflicts
            if conflicts and not replace:
                raise RebuildError(
                    "incomplete",
                    f"{conflicts} events that have arrived meanwhile are others than the source has in their places",
                )
        return taken


def _refuse(missing: Missing) -> None:
    found = []
    if missing.count:
        found.append(f"{missing.count} events or streams that the new ones lack, such as {missing.example}")
    if missing.replaced:
        found.append(
            f"{missing.replaced} events whose places others have in the new ones, such as {missing.replaced_example}"
        )
    if found:
        raise RebuildError("incomplete", f"the live tables have {', and '.join(found)}")
