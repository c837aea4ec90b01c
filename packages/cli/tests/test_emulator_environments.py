"""How many execution environments a function gets, with the emulator's own pool and environments that only sleep."""

from shop_cli.emulator_testing import in_the_emulators_python

POOL = """
import threading, time
from ministack.core import lambda_runtime as runtime
from ministack.services import lambda_svc

environments = launcher.load(launcher.beside("emulator_environments.py"))
START, CALL = 0.4, 0.01
fails = []

class Process:
    poll = staticmethod(lambda: None)
    terminate = staticmethod(lambda: None)
    wait = staticmethod(lambda timeout: None)

def spawn(worker):
    time.sleep(START)
    if fails:
        raise RuntimeError(fails.pop())
    worker._proc = Process()

runtime.Worker._spawn = spawn
pool = environments.Environments(runtime, lambda_svc, launcher.expect)
CONFIG = {"FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f", "Runtime": "python3.13"}

def count():
    return sum(map(len, runtime._workers.values()))

def call(seconds=CALL):
    # As `_execute_function_warm` and `Worker.invoke` do it.
    began = time.monotonic()
    worker, reason = lambda_svc.acquire_worker("f", CONFIG, b"")
    if worker is None:
        return reason
    if worker._proc is None:
        runtime.ensure_spawned(worker)
    time.sleep(seconds)
    lambda_svc.release_worker(worker)
    return time.monotonic() - began

def at_once(clients, *arguments):
    taken = []
    threads = [threading.Thread(target=lambda: taken.append(call(*arguments))) for _ in range(clients)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return taken

def reap_after_a_day():
    for worker in sum(runtime._workers.values(), []):
        worker.last_used -= 86_400
    lambda_svc.reap_idle_workers(3_600)

def until(holds):
    while not holds():
        time.sleep(0.01)
"""


def test_a_burst_after_idleness_waits_for_the_one_that_is_warm_and_not_for_starts() -> None:
    started, slowest, count = in_the_emulators_python(
        POOL
        + """
START = 30
runtime._workers["000000000000:us-east-1:f:$LATEST"] = [warm := runtime.Worker("f", CONFIG, b"")]
warm._proc, warm._cold = Process(), False
taken = at_once(16)
print(json.dumps([len(taken), max(taken), count()]))
"""
    )
    assert started == 16
    assert slowest < 30
    # Another one is under way, alone.
    assert count == 2


def test_a_few_are_started_once_requests_meet_and_stay_warm() -> None:
    counts = in_the_emulators_python(
        POOL
        + """
counts = [call() and count()]
while count() < environments.KEPT_WARM:
    at_once(environments.KEPT_WARM)
until(lambda: not any(worker.in_use for worker in sum(runtime._workers.values(), [])))
[call() for _ in range(20)]
counts.append(count())
reap_after_a_day()
counts.append(count())
print(json.dumps([environments.KEPT_WARM, *counts]))
"""
    )
    kept, *counted = counts
    assert counted == [1, kept, kept]


def test_more_are_started_only_for_those_who_have_waited_long_and_up_to_a_bound() -> None:
    most, bound, kept, after = in_the_emulators_python(
        POOL
        + """
environments.PATIENCE_SECONDS, START = 0.02, 0.01
call()
at_once(3 * environments.ENVIRONMENTS_MAX, 0.5)
most = count()
reap_after_a_day()
print(json.dumps([most, environments.ENVIRONMENTS_MAX, environments.KEPT_WARM, count()]))
"""
    )
    assert most == bound
    assert after == kept


def test_who_has_waited_as_long_as_the_api_does_is_throttled() -> None:
    answers = in_the_emulators_python(
        POOL
        + """
environments.WAIT_SECONDS_MAX, environments.ENVIRONMENTS_MAX = 0.1, 1
call()
print(json.dumps(sorted(map(str, at_once(2, 0.5)))[1]))
"""
    )
    assert answers == "func_cap"


def test_one_that_does_not_start_is_dropped_and_the_others_go_on() -> None:
    known, taken = in_the_emulators_python(
        POOL
        + """
call()
fails.append("no memory")
at_once(2)
until(lambda: count() == 1)
print(json.dumps([count(), call()]))
"""
    )
    assert known == 1
    assert isinstance(taken, float)


def test_one_that_was_killed_does_not_count_as_idle() -> None:
    taken = in_the_emulators_python(
        POOL
        + """
START = 0.05
while count() < 2:
    at_once(2)
    time.sleep(0.1)
first, second = sum(runtime._workers.values(), [])
first._proc.poll = lambda: -9
START = 30
print(json.dumps([call() < START, count()]))
"""
    )
    assert taken == [True, 1]


def test_a_changed_pool_is_not_replaced_silently() -> None:
    code = POOL.replace("pool = ", "runtime.acquire_worker = lambda func_name: None\npool = ")
    result = in_the_emulators_python(code, check=False)
    assert result.returncode == 1
    assert "is not what emulator_launcher.py was written for" in result.stderr
