import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

import masklens
from masklens.cli import COMMANDS, main


def test_help_names_every_command_and_imports_nothing_heavy():
    probe = (
        "import sys\nfrom masklens.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print('HEAVY', sorted({'numpy', 'cv2', 'onnxruntime', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    for name in COMMANDS:
        assert f"  {name} " in done.stdout


def test_version():
    result = CliRunner().invoke(main, ["--version"])
    assert masklens.__version__ in result.output


def test_unknown_commands_are_wrong_use():
    assert CliRunner().invoke(main, ["detekt"]).exit_code == 2


@pytest.mark.parametrize(("wish", "coloured"), [("1", False), ("", True)])
def test_colours_can_be_declined(wish, coloured):
    result = CliRunner(env={"NO_COLOR": wish}).invoke(main, ["detect", "absent.jpg"], color=True)
    assert ("\x1b[" in result.output) is coloured


def test_ctrl_c_while_the_command_line_is_loaded(tmp_path):
    (tmp_path / "tqdm.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, "-m", "masklens", "detect", "a.jpg"]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path},
        # What a shell runs in the background ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")
