"""A user's script, for ``mypy --strict``: the public types take what libraries' stubs give."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from masklens import Bundle, Detections, Faces, MaskDetector, MasklensError, YuNet


class OwnFinder:
    """A face finder of one's own."""

    name = "own"

    def find(self, image: npt.NDArray[np.uint8]) -> Faces:
        """One face, everywhere."""
        height, width = image.shape[:2]
        box = np.array([[0, 0, width, height]], np.float32)
        return Faces(box, np.ones(1, np.float32), np.zeros((1, 5, 2), np.float32))


def label(path: Path) -> list[str]:
    """What the README and docs/formats.md show, and pictures from OpenCV."""
    detector = MaskDetector(finder=OwnFinder(), bundle=Bundle.load(), threshold=0.5)
    frame = cv2.imread(str(path))
    if frame is None:
        return []
    faces: Detections = detector.detect(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    faces = detector.detect(frame[..., ::-1])
    faces = MaskDetector(finder=YuNet()).detect(path.read_bytes())
    try:
        counts = [found[:3].counts() for found in detector.detect_many([path, str(path), frame])]
    except MasklensError as error:
        return [str(error)]
    return [*counts[0]] + [
        face.label for face in faces[faces.scores > 0.9] if face.box[0] < face.score
    ]
