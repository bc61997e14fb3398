"""Draw the masked versions of the example portrait.

    python examples/make_pictures.py

``astronaut.jpg`` is NASA's portrait of Eileen Collins, in the public domain; the masks are drawn by
``masklens.dataset.synthesize``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from masklens.dataset.synthesize import paint
from masklens.finder import shipped_finder
from masklens.io.pictures import read_picture, write_picture

PICTURES = Path(__file__).parent / "pictures"
DRAWN = {"astronaut-masked.jpg": ("surgical", 3), "astronaut-badly-worn.jpg": ("nose_out", 5)}


def main() -> None:
    """Write the pictures beside the portrait."""
    portrait = read_picture(PICTURES / "astronaut.jpg")
    face = shipped_finder().find(portrait)
    for name, (style, seed) in DRAWN.items():
        rng = np.random.default_rng(seed)
        painted = paint(portrait, face.landmarks[0], face.boxes[0], style, rng)
        # Unsigned: what says that masklens made it is left out when a folder is labelled.
        write_picture(PICTURES / name, Image.fromarray(painted.image), quality=92)


if __name__ == "__main__":
    main()
