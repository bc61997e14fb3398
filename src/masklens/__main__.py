"""``python -m masklens`` is the same as ``masklens``."""

from masklens.cli import main

main()
