"""Reading a file of JSON that somebody else wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_json(path: Path) -> Any:
    """The values in a file, which may begin with a byte order mark, as Windows' programs write it.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no text, no JSON, or nested too deeply; the message says which.
    """
    try:
        return json.loads(path.read_bytes())  # which tells UTF-8, UTF-16 and UTF-32 apart
    except UnicodeDecodeError as error:
        raise ValueError("it is not a text file") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error})") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
