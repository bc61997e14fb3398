import subprocess
import sys

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
