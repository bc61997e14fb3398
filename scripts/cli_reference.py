"""Print docs/cli.md, the reference of the command line, from the commands' own --help.

python scripts/cli_reference.py > docs/cli.md
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from masklens.cli import main

HEAD = """# The command line

Made from `--help` by `python scripts/cli_reference.py`; a test fails when they differ.
"""


def commands(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """Every command's path with its help text, groups before what they hold."""
    context = click.Context(
        command,
        parent,
        name,
        terminal_width=80,
        max_content_width=80,
        **command.context_settings,
    )
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            assert child is not None
            yield from commands(child, child_name, context)


def reference() -> str:
    """The whole page."""
    parts = [HEAD]
    for path, text in commands(main, "masklens"):
        parts.append(f"## {path}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(reference(), end="")
