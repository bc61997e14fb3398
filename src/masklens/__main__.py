"""The program ``masklens``, also as ``python -m masklens``."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it without a traceback while it is being loaded, too."""
    try:
        from masklens.cli import main as command_line
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)
    command_line()


if __name__ == "__main__":
    main()
