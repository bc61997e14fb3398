"""Training tests: Keras finds the ImageNet weights in the shared data, if they are there."""

import os

from tests.conftest import ROOT

# Keras reads these when it is imported, so that a fixture would come too late.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
_HOME = os.path.join(  # noqa: PTH118
    os.environ.get("MASKLENS_DATA", ROOT.parent / "shared"), "weights", "keras_home"
)
if os.path.isdir(_HOME):  # noqa: PTH112
    os.environ.setdefault("KERAS_HOME", _HOME)
