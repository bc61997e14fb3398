"""What the API takes and answers, for its OpenAPI description; a test holds answers against it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_Probability = Annotated[float, Field(ge=0, le=1)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Asked(_Closed):
    """What the address may ask of both POST requests; a misspelt name would be passed over."""

    threshold: float | None = Field(
        None, ge=0, le=1, description="Leave out faces with a lower score. Goes before `preset`."
    )
    preset: Literal["default", "precise", "sensitive"] = Field(
        "default", description="Which of the card's thresholds."
    )


class ErrorRecord(_Closed):
    """What went wrong."""

    status: int = Field(description="of HTTP", examples=[413])
    code: str = Field(description="for programs; stays", examples=["too_large"])
    message: str = Field(description="for people: what was received and what to do")


class Failure(_Closed):
    """The one shape of every error."""

    error: ErrorRecord


class Face(_Closed):
    """One face; the same as in the results of `masklens detect --json`."""

    box: list[float] = Field(
        min_length=4,
        max_length=4,
        description="x, y, width, height in pixels of the upright picture",
    )
    label: str = Field(examples=["with_mask"])
    score: _Probability = Field(
        description="how likely it is that a face is there and wears what the label says"
    )
    face_score: _Probability = Field(description="the face finder's own score")
    probabilities: dict[str, _Probability] = Field(
        description="for each label, given that it is a face; they sum to 1"
    )


class Picture(_Closed):
    """What was found in one picture; or why it could not be read, when others of the form could."""

    file: str = Field(description='the name in the form, or "body"')
    width: int | None = Field(None, ge=1, description="pixels, upright")
    height: int | None = Field(None, ge=1, description="pixels, upright")
    faces: list[Face] | None = Field(None, description="best first")
    faces_omitted: int | None = Field(
        None, ge=0, description="faces beyond the server's limit, which were not labelled"
    )
    error: ErrorRecord | None = None


class Answer(_Closed):
    """The pictures of a request, in its order."""

    model: str = Field(description="name and version", examples=["masklens-street 1.0"])
    threshold: _Probability = Field(description="faces with a lower score were left out")
    pictures: list[Picture]


class Health(_Closed):
    """Whether the server works."""

    status: Literal["ok"]


_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}

#: The body of both POST requests.
ONE_PICTURE: dict[str, Any] = dict.fromkeys(
    [
        *(f"image/{name}" for name in ("jpeg", "png", "webp", "gif", "bmp", "tiff", "avif")),
        "application/octet-stream",
    ],
    _BINARY,
)


def form(several: bool) -> dict[str, Any]:
    """The form with one file, or with several of the same name."""
    item = {"type": "string", "format": "binary"}
    field = {"type": "array", "items": item, "minItems": 1} if several else item
    return {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["picture"],
                "properties": {"picture": field},
                "additionalProperties": False,
            }
        }
    }


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of an operation."""
    meaning = {
        400: "No picture, or a malformed form",
        401: "The token is missing or wrong",
        403: "A page of another site asked",
        408: "The body came too slowly",
        413: "Too many bytes, pixels or pictures",
        415: "Not a picture, or a body of another type",
        421: "The server has another name",
        422: "A damaged picture, or a bad parameter",
        429: "The queue is full; see Retry-After",
        503: "It took too long, or the server is stopping",
    }
    return {
        status: {"model": Failure, "description": meaning[status]}
        for status in sorted({*statuses, 401, 403, 421})
    }
