"""The three labels, in the order that every bundle, table and picture of masklens uses.

A bundle may know fewer of them (the report's model knows two); its card says which.
"""

from __future__ import annotations

WITH_MASK = "with_mask"
WITHOUT_MASK = "without_mask"
MASK_WORN_INCORRECTLY = "mask_worn_incorrectly"

LABELS: tuple[str, ...] = (WITH_MASK, WITHOUT_MASK, MASK_WORN_INCORRECTLY)

#: A classifier output that is no label: what the face finder returned is not a face.
NOT_A_FACE = "not_a_face"

#: Spellings found in public data sets (Kaggle andrewmvd, chandrikadeb7, AIZOO, MaskedFace-Net).
ALIASES: dict[str, str] = {
    "mask": WITH_MASK,
    "masked": WITH_MASK,
    "face_mask": WITH_MASK,
    "withmask": WITH_MASK,
    "no_mask": WITHOUT_MASK,
    "nomask": WITHOUT_MASK,
    "face": WITHOUT_MASK,
    "unmasked": WITHOUT_MASK,
    "withoutmask": WITHOUT_MASK,
    "incorrect_mask": MASK_WORN_INCORRECTLY,
    "mask_incorrect": MASK_WORN_INCORRECTLY,
    "mask_weared_incorrect": MASK_WORN_INCORRECTLY,
    "incorrectly_masked_face": MASK_WORN_INCORRECTLY,
}


def canonical(name: str) -> str:
    """The label a folder or category name stands for; unknown names come back normalised."""
    key = name.strip().lower().replace("-", "_").replace(" ", "_")
    return key if key in LABELS else ALIASES.get(key, key)
