"""Bounds how many execution environments ministack runs of each function, as a machine needs that is no data centre.

ministack starts a process for each request that meets no idle one, and ends all but one of them after five minutes. A
start costs 1.5 seconds of a processor, a request some milliseconds. 16 requests at once to an idle shop then waited for
30 starts, most of them longer than 4 s on two free processors, and 30 s on busy ones.
Run by the emulator's own Python.
"""

import contextvars
import inspect
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, Final

KEPT_WARM: Final = 4
"""So many of a function serve requests side by side, as on AWS, once two requests have met."""
ENVIRONMENTS_MAX: Final = 16
PATIENCE_SECONDS: Final = 0.5
"""A request that has waited longer shows that more are needed: all of them wait for something, such as a slow card."""
WAIT_SECONDS_MAX: Final = 30.0
"""An HTTP API gives up then. A function that has its reserved concurrency in flight is throttled at once, as before."""
LOOK_SECONDS: Final = 0.05


class Environments:
    def __init__(self, runtime: Any, lambda_svc: Any, expect: Callable[[bool, Any], None]) -> None:
        acquire, release, reap = runtime.acquire_worker, runtime.release_worker, runtime.reap_idle_workers
        parameters = ["func_name", "config", "code_zip", "qualifier", "max_concurrency"]
        expect(list(inspect.signature(acquire).parameters) == parameters, acquire)
        expect('return None, "func_cap"' in inspect.getsource(acquire), acquire)
        expect("worker.in_use = False" in inspect.getsource(release), release)
        expect('getattr(worker, "last_used", now)' in inspect.getsource(reap), reap)
        expect("worker._cold = False" in inspect.getsource(runtime.ensure_spawned), runtime.ensure_spawned)
        self._runtime = runtime
        self._acquire, self._release, self._reap = acquire, release, reap
        self._freed = threading.Condition()
        lambda_svc.acquire_worker, lambda_svc.release_worker = self.acquire, self.release
        lambda_svc.reap_idle_workers = self.reap

    def acquire(
        self, func_name: str, config: Any, code_zip: Any, qualifier: str = "$LATEST", max_concurrency: int | None = None
    ) -> Any:
        """Leases an idle environment, or waits for one. Nobody waits for a start except where there is no other."""

        def lease() -> Any:
            most = max_concurrency or ENVIRONMENTS_MAX
            return self._acquire(func_name, config, code_zip, qualifier=qualifier, max_concurrency=most)

        key, began = self._runtime._worker_key(func_name, config, qualifier), time.monotonic()
        with self._freed:
            self._bury(key)
            while (known := self._runtime._workers.get(key)) and all(worker.in_use for worker in known):
                waited = time.monotonic() - began
                if waited > WAIT_SECONDS_MAX:
                    break
                enough = KEPT_WARM if waited < PATIENCE_SECONDS else ENVIRONMENTS_MAX
                if len(known) < enough and not any(worker._cold for worker in known):
                    self._start(key, lease()[0])
                self._freed.wait(LOOK_SECONDS)
            return lease()

    def release(self, worker: Any) -> None:
        self._release(worker)
        with self._freed:
            self._freed.notify_all()

    def reap(self, ttl: float | None = None) -> int:
        with self._runtime._lock:
            for known in self._runtime._workers.values():
                for worker in known[:KEPT_WARM]:
                    worker.last_used = time.time()
        return int(self._reap(ttl))

    def _bury(self, key: str) -> None:
        """One whose process was killed is not idle: a request that leases it waits for a start."""
        with self._runtime._lock:
            known = self._runtime._workers.get(key, [])
            dead = [
                each for each in known if not each.in_use and each._proc is not None and each._proc.poll() is not None
            ]
            known[:] = [worker for worker in known if worker not in dead]
        self._runtime.kill_workers(dead)

    def _start(self, key: str, worker: Any) -> None:
        """One after the other, so that what already runs has a processor left."""

        def start() -> None:
            try:
                self._runtime.ensure_spawned(worker)
            except Exception:  # noqa: BLE001 - the next request that needs one meets the same error, and answers it
                traceback.print_exc()
                with self._runtime._lock:
                    known = self._runtime._workers.get(key, [])
                    if worker in known:
                        known.remove(worker)
            self.release(worker)

        context = contextvars.copy_context()
        threading.Thread(target=lambda: context.run(start), name="environment", daemon=True).start()
