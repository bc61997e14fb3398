"""A film of a face, and the command line as the tests of moving pictures call it."""

from __future__ import annotations

from pathlib import Path

import click.testing
import numpy as np
import pytest
from PIL import Image as PillowImage

from masklens.cli import main
from tests.io.films import write_film


@pytest.fixture(scope="session")
def portrait_frames(portrait: np.ndarray) -> list[np.ndarray]:
    """The photograph, moving to the right."""
    small = np.asarray(PillowImage.fromarray(portrait).resize((256, 256)))
    return [np.roll(small, 2 * i, axis=1) for i in range(30)]


@pytest.fixture(scope="session")
def film(portrait_frames: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "walk.mp4"
    return write_film(path, portrait_frames, sound="aac")


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, [*map(str, arguments)])


def one_sentence(result: click.testing.Result, message: str) -> None:
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)
