"""The program ``masklens``, also as ``python -m masklens``."""

import os
import sys
import threading


def main() -> None:
    """Run the command line; Ctrl-C ends it without a traceback while it is being loaded, too."""
    try:
        from masklens.cli import main as command_line
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)
    try:
        command_line()
    except SystemExit as end:
        if any(thread.name.startswith("masklens-") for thread in threading.enumerate()):
            # It waits in FFmpeg for a camera, which would ask a Python that is gone for the time.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        raise


if __name__ == "__main__":
    main()
