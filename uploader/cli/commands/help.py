"""`uploader help [TOPIC]`: show a page of the manual, formatted on a terminal, else as plain Markdown."""

import re
import sys
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from uploader.cli.output import print_lines
from uploader.cli.suggestions import suggestions

PAGES = Path(__file__).parents[2] / "docs"
#: The page that lists the others; it is not a topic itself.
_INDEX = "README"
#: Longer lines are hard to read.
_WIDEST = 100
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
#: With the blank line below it.
_IMAGE = re.compile(r"^!\[[^\]]*\]\([^)]*\)\n{0,2}", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\((?:(https://[^)\s]+)|(?:([\w-]+)\.md)?(?:#[\w-]+)?)\)")


def topics() -> list[str]:
    """The names of all pages but the index."""
    return sorted(path.stem for path in PAGES.glob("*.md") if path.stem != _INDEX)


def _complete(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    del context, parameter
    return [CompletionItem(topic) for topic in topics() if topic.startswith(typed)]


@click.command()
@click.argument("topic", required=False, shell_complete=_complete)
@click.pass_context
def command(context: click.Context, *, topic: str | None) -> int:
    """Show a page of the manual. Without TOPIC, list the pages.

    `uploader help COMMAND` shows the options of a command that has no page of its own.
    """
    if topic is None:
        _show((PAGES / f"{_INDEX}.md").read_text(encoding="utf-8"))
    elif topic in topics():
        _show((PAGES / f"{topic}.md").read_text(encoding="utf-8"))
    else:
        print_lines(_help_of_command(context, topic).splitlines())
    return 0


def _help_of_command(context: click.Context, name: str) -> str:
    """What `uploader NAME --help` prints. UsageError if there is no such command."""
    group = context.parent
    assert group is not None
    assert isinstance(group.command, click.Group)
    found = group.command.get_command(group, name)
    if found is None:
        alike = suggestions(name, [*topics(), *group.command.list_commands(group)])
        advice = f"did you mean {' or '.join(alike)}?" if alike else "`uploader help` lists the pages"
        raise click.UsageError(f"the manual has no page {name!r}; {advice}", context)
    with click.Context(found, parent=group, info_name=name) as inner:
        return found.get_help(inner)


def _show(page: str) -> None:
    page = without_markup(page)
    if not sys.stdout.isatty():
        print_lines(page.splitlines())
        return
    from rich.console import Console, ConsoleOptions, RenderResult  # noqa: PLC0415  # on terminals only
    from rich.markdown import CodeBlock, Markdown  # noqa: PLC0415
    from rich.syntax import Syntax  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415
    from rich.theme import Theme  # noqa: PLC0415

    class WholeLines(CodeBlock):
        """Lines to paste: the terminal itself breaks one that is too long, and knows that it is one."""

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            code = Syntax("", self.lexer_name, theme=self.theme).highlight(str(self.text).rstrip())
            for line in code.split("\n"):
                yield Text(" ", no_wrap=True, overflow="ignore").append_text(line)

    class Page(Markdown):
        elements = {**Markdown.elements, "fence": WholeLines, "code_block": WholeLines}  # noqa: RUF012  # as rich

    # Rich's style for code has a black background, which is hard to read on a light terminal.
    console = Console(theme=Theme({"markdown.code": "bold cyan"}))
    console.width = min(console.width, _WIDEST)
    console.print(Page(page, code_theme="ansi_dark", hyperlinks=False), crop=False)


def without_markup(page: str) -> str:
    """The page without pictures and comments, and with links between pages turned into commands."""
    return _LINK.sub(_link_text, _IMAGE.sub("", _COMMENT.sub("", page))).rstrip("\n") + "\n"


def _link_text(link: re.Match[str]) -> str:
    text, address, page = link.groups()
    if address:
        return f"{text} ({address})"
    return text if page in {None, text} else f"{text} (`uploader help {page}`)"
