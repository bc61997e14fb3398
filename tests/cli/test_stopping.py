"""Signals of systems that the tests do not run on."""

import signal

import pytest

from masklens.cli.stopping import Stopped, stopped_by_signals


def test_ctrl_break_of_windows_stops_in_good_order(monkeypatch):
    """It has no SIGHUP; SIGBREAK is played by a signal that this system has."""
    monkeypatch.delattr(signal, "SIGHUP", raising=False)
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGABRT, raising=False)
    with pytest.raises(Stopped), stopped_by_signals():
        assert callable(signal.getsignal(signal.SIGABRT))
        signal.raise_signal(signal.SIGABRT)
