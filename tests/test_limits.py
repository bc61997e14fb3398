"""What limits a process, where that is less than the machine has."""

import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux binds processes to cores")
def test_no_more_threads_than_cores_that_may_be_used():
    code = (
        "import os\n"
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "from masklens import MaskDetector\n"
        "from masklens.limits import cores\n"
        "from masklens.server.settings import Settings\n"
        "print(cores(), MaskDetector().workers, Settings().cores)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert done.stdout.split() == [b"1"] * 3
