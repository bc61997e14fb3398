"""What limits a process, where that is less than the machine has."""

import os
import subprocess
import sys

import pytest

from masklens.limits import _quota, cores


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


@pytest.mark.parametrize(
    ("limits", "quota"),
    [
        ({"hall/camera": "150000 100000"}, 1.5),
        ({"hall/camera": "max 100000", "hall": "50000 100000"}, 0.5),
        ({"": "200000 100000", "hall/camera": "400000 100000"}, 2),
        ({"hall/camera": "max 100000", "hall": "nonsense"}, float("inf")),
        ({}, float("inf")),
    ],
)
def test_a_share_of_the_processors_time_is_a_limit(tmp_path, limits, quota):
    groups = tmp_path / "groups"
    (groups / "hall" / "camera").mkdir(parents=True)
    for group, limit in limits.items():
        (groups / group / "cpu.max").write_text(f"{limit}\n")
    of_this = tmp_path / "cgroup"
    of_this.write_text("1:name=systemd:/elsewhere\n0::/hall/camera\n")
    assert _quota(of_this, groups) == quota


@pytest.mark.parametrize(
    ("group", "limit", "quota"),
    [("docker/1a", 150000, 1.5), ("", 150000, 1.5), ("docker", -1, float("inf"))],
)
def test_so_is_one_of_older_systems(tmp_path, group, limit, quota):
    """With cgroup v1; inside of a container its own group is the root."""
    groups = tmp_path / "groups"
    (groups / "cpu" / group).mkdir(parents=True)
    (groups / "cpu" / group / "cpu.cfs_quota_us").write_text(f"{limit}\n")
    (groups / "cpu" / group / "cpu.cfs_period_us").write_text("100000\n")
    of_this = tmp_path / "cgroup"
    of_this.write_text("5:memory:/docker/1a\n4:cpu,cpuacct:/docker/1a\n1:name=systemd:/\n0::/\n")
    assert _quota(of_this, groups) == quota


def test_where_nothing_tells_of_limits_there_are_none(tmp_path):
    assert _quota(tmp_path / "cgroup", tmp_path) == float("inf")


@pytest.mark.parametrize("quota", [0.5, 1.0])
def test_less_than_a_core_is_one(monkeypatch, quota):
    monkeypatch.setattr("masklens.limits._quota", lambda: quota)
    assert cores() == 1
