import os

import pytest

from masklens.io.quiet import quiet


def chatter():
    os.write(1, b"to 1\n")  # as C++ does, past Python's own streams
    os.write(2, b"to 2\n")


def test_nothing_comes_through_and_the_streams_are_back(capfd):
    with quiet():
        chatter()
    os.write(1, b"after\n")
    assert capfd.readouterr() == ("after\n", "")


@pytest.mark.parametrize(("shown", "expected"), [(True, "to 1\nto 2\n"), (False, "")])
def test_what_fails_may_be_told(capfd, shown, expected):
    with pytest.raises(ValueError, match="broken"), quiet(unless_it_fails=shown):
        chatter()
        raise ValueError("broken")
    chatter()
    assert capfd.readouterr() == ("to 1\n", expected + "to 2\n")
