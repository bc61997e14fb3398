"""What does not run on glibc, which the tests of moving pictures measure."""

import platform
import sys

import pytest

from masklens import memory


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_other_systems_are_not_asked_for_their_c_library(monkeypatch, system):
    """It reads Python's own program; of Microsoft's store that is a link which nobody may open."""

    def libc_ver():
        raise OSError(22, "Invalid argument", r"C:\Users\me\AppData\Local\...\python.exe")

    monkeypatch.setattr(platform, "libc_ver", libc_ver)
    monkeypatch.setattr(sys, "platform", system)
    memory.keep_freed()
    memory.give_back()
    memory.give_back_large()
