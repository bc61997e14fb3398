import pytest

from masklens.plural import many


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, "face"), "0 faces"),
        ((1, "face"), "1 face"),
        ((1200, "face"), "1,200 faces"),
        ((1, "box", "boxes"), "1 box"),
        ((2, "box", "boxes"), "2 boxes"),
    ],
)
def test_a_number_with_its_noun(arguments, text):
    assert many(*arguments) == text
