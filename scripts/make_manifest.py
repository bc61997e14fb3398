r"""Write the manifest of a data set from a copy on disk: paths, sizes and sha256, no pictures.

Example:
    python scripts/make_manifest.py path/to/prajna src/masklens/dataset/prajna.json \
        --homepage https://github.com/prajnasb/observations \
        --licence "no licence file; for study only" --url BASE [--url BASE ...]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from masklens.bundle import file_sha256
from masklens.dataset.scan import load_dataset
from masklens.io.atomic import write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of classes")
    parser.add_argument(
        "manifest", type=Path, help="the .json file to write; its name is the set's"
    )
    parser.add_argument("--homepage", required=True)
    parser.add_argument("--licence", required=True)
    parser.add_argument("--url", action="append", required=True, help="base addresses, in order")
    arguments = parser.parse_args()
    head = {
        "name": arguments.manifest.stem,
        "homepage": arguments.homepage,
        "licence": arguments.licence,
        "urls": arguments.url,
    }
    lines = [
        json.dumps([p.name, p.path.stat().st_size, file_sha256(p.path)], ensure_ascii=False)
        for p in load_dataset(arguments.folder).pictures
    ]
    opening = json.dumps(head, indent=2, ensure_ascii=False).removesuffix("\n}")
    files = ",\n    ".join(lines)
    write_text(arguments.manifest, f'{opening},\n  "files": [\n    {files}\n  ]\n}}\n')
    print(f"{arguments.manifest}: {len(lines)} files")


if __name__ == "__main__":
    main()
