"""The documentation: its links lead somewhere, and the commands and options it shows exist."""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from masklens.cli import main
from tests.conftest import ROOT

PAGES = sorted(
    path for pattern in ("*.md", "docs/*.md", "examples/**/*.md") for path in ROOT.glob(pattern)
)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"(?m)^#+ (.*)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for link in re.findall(r"\[[^\]]*\]\(([^)]+)\)", text):
        if re.match(r"https?://|mailto:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


def test_install_lines_name_the_checkout_and_extras_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    seen = set()
    for page in PAGES:
        for what in re.findall(r"pip install ([^\s`]+)", page.read_text(encoding="utf-8")):
            extras = re.fullmatch(r'\.|"\.\[(.+)\]"', what)  # the package is in no registry
            assert extras, f"{page.name}: pip install {what}"
            seen |= set((extras[1] or "").split(",")) - {""}
    assert {"serve", "train", "video"} <= seen <= set(project["optional-dependencies"])


def shown_commands() -> Iterator[tuple[str, str]]:
    """Every line of a code block, or `code`, that calls masklens, with the page it stands on."""
    for page in PAGES:
        if page.name == "cli.md":  # generated
            continue
        text = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
        fenced = "\n".join(re.findall(r"(?s)```\w*\n(.*?)```", text))
        lines = re.findall(r"(?m)^ {4}(masklens [^|\n]*)", text)
        lines += re.findall(r"(?m)^(masklens [^|\n]*)", fenced)
        spans = [re.sub(r"\s+", " ", span) for span in re.findall(r"`(masklens [^`|]+)`", text)]
        for line in [*lines, *spans]:
            yield page.relative_to(ROOT).as_posix(), line.partition("  #")[0].strip()


def test_shown_commands_and_their_options_exist() -> None:
    seen = list(shown_commands())
    assert len(seen) > 40
    for page, line in seen:
        words = re.sub(r"[\"']", "", line).split()[1:]
        command: click.Command = main
        while words and isinstance(command, click.Group):
            name = words.pop(0).rstrip(",")
            if name.startswith("-"):
                break
            found = command.get_command(click.Context(command), name)
            assert found is not None, f"{page}: {line}: no command {name}"
            command = found
        words = [word.rstrip(".,;:") for word in words]
        known = {word for parameter in command.params for word in parameter.opts}
        known |= {word for parameter in command.params for word in parameter.secondary_opts}
        for word in words:
            if word.startswith("--"):
                assert word in known | {"--help"}, f"{page}: {line}: no option {word}"


def test_the_service_of_the_docs_can_be_enabled_and_has_a_place_for_its_log() -> None:
    (text,) = re.findall(r"(?ms)^```ini\n(.*?)^```", (ROOT / "docs" / "video.md").read_text())
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text)
    assert unit["Install"]["WantedBy"], "systemctl enable refuses a unit without"
    log = re.search(r"--json (\S+)", unit["Service"]["ExecStart"])
    assert log is not None
    assert Path(log[1]).parent == Path("/var/lib") / unit["Service"]["StateDirectory"]


def test_the_list_of_rooms_is_in_the_order_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"][::-1]
    height = {
        name: level for level, layer in enumerate(layers) for name in re.findall(r"[a-z_]+", layer)
    }
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = re.findall(r"^ {6}((?:[a-z_]+(?:\.py|/) *)+)", text.split("src/masklens/")[1], re.M)
    listed = [name for room in rooms for name in re.findall(r"([a-z_]+)(?:\.py|/)", room)]
    known = [name for name in listed if name in height]
    assert set(known) == set(height), "each room of the contract is described"
    assert known == sorted(known, key=lambda name: height[name])
