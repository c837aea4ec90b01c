"""A test run that is interrupted or killed leaves no provider behind."""

import signal
import subprocess
import sys
import time

import psutil
import pytest

HOLDER = """
import time
from shop_payment_provider.testing import running_provider
with running_provider() as provider:
    print(provider._process.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not end a process with its parent")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_provider_ends_with_the_process_that_started_it(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as holder:
        assert holder.stdout is not None
        provider = psutil.Process(int(holder.stdout.readline()))
        holder.send_signal(number)
        holder.wait(30)
    deadline = time.monotonic() + 30
    while provider.is_running() and provider.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the provider is left over"
        time.sleep(0.05)
