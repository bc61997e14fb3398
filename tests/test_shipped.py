"""What the bundle that ships says of real pictures."""

from pathlib import Path

import pytest

from masklens import MaskDetector


@pytest.fixture(scope="module")
def detector() -> MaskDetector:
    return MaskDetector()


@pytest.mark.parametrize(
    "name",
    [
        "with_mask/204-with-mask",
        "with_mask/325-with-mask",
        "with_mask/432-with-mask",
        "with_mask/45-with-mask",
        "with_mask/augmented_image_107",
        "with_mask/augmented_image_305",
        "without_mask/104",
    ],
)
def test_a_large_face_has_one_box(detector: MaskDetector, shared_data: Path, name: str) -> None:
    """Forehead and hair of these were once taken for a second face above the first."""
    (face,) = detector.detect(shared_data / "data" / "prajna" / f"{name}.jpg")
    assert face.label == name.split("/")[0]
