"""What the user sees: steps, commands, claims that held, quotes of Terraform."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

PLAIN_WIDTH = 100
EVIDENCE_LINES = 30


class Screen:
    """What the user sees: a line for each step, a tick for each claim, quotes of Terraform."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console = Console(highlight=False, width=PLAIN_WIDTH)
        self._width = min(self._console.width, PLAIN_WIDTH)
        self._steps = 0

    def title(self, title: str, text: str) -> None:
        """The first lines."""
        self._console.print(Text(f"\n{title}", style="bold"), Text(f"{text}\n", "dim"), sep="\n")

    def fact(self, name: str, value: object) -> None:
        """A name and a value."""
        self._print(Text(f"    {name:<11}", "dim"), str(value))

    def step(self, title: str, explanation: str) -> None:
        """Begin a step, with a line that explains it."""
        self._steps += 1
        heading = Text.assemble((f"{self._steps:>2}  ", "cyan"), (title, "bold"))
        self._console.print("", heading, sep="\n")
        self._print(Text("    "), explanation, "dim")

    def command(self, command: str) -> None:
        """A command that is run, broken as a shell takes it."""
        first, *more = textwrap.wrap(
            command, self._width - 8, subsequent_indent="    ", break_on_hyphens=False
        )
        lines = " \\\n      ".join([first, *more])
        self._console.print(Text.assemble("    ", ("$ ", "cyan"), lines), soft_wrap=True)

    def tick(self, text: str, seconds: float | None = None) -> None:
        """A claim that held."""
        took = "" if seconds is None else f"{seconds:.1f} s"
        self._print(Text.assemble("    ", ("✓ ", "green")), text, after=took)

    def quote(self, lines: Sequence[str]) -> None:
        """Lines of Terraform's output."""
        for line in lines:
            self._print(Text.assemble("      ", ("│ ", "yellow")), line)

    def table(self, table: Table) -> None:
        """A table, with room around it."""
        self._console.print(Padding(table, (1, 0, 1, 6), expand=False))

    def failure(self, title: str, evidence: str) -> None:
        """What went wrong, and what was seen instead."""
        self._print(Text.assemble("    ", ("✗ ", "bold red")), title, "bold")
        for line in evidence.splitlines()[-EVIDENCE_LINES:]:
            self._print(Text("      "), line, "dim")

    def suggestions(self, title: str, commands: Sequence[tuple[str, str]]) -> None:
        """Commands to try next, each with what it does, on lines that can be copied."""
        self._console.print("", Text(title, style="bold"), sep="\n")
        for explanation, command in commands:
            self._print(Text("    "), explanation, "dim")
            self._console.print(Text.assemble("      ", command), soft_wrap=True)

    def end(self, text: str) -> None:
        """The last line."""
        self._console.print("", Text(f"{text}\n", style="bold"), sep="\n")

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show that something is under way; on a terminal only."""
        progress = Progress(
            TextColumn("   "),
            SpinnerColumn(style="cyan"),
            TextColumn(text, style="dim"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        with progress:
            progress.add_task(text, total=None)
            yield

    def _print(self, before: Text, text: str, style: str = "", after: str = "") -> None:
        """Print text after what comes before it, wrapped so that the space below stays free."""
        lines = textwrap.wrap(text, self._width - len(before)) or [""]
        shown = Text.assemble(before, (lines[0], style))
        for line in lines[1:]:
            shown.append(f"\n{' ' * len(before)}").append(line, style)
        self._console.print(shown.append(f"  {after}" if after else "", "dim"), soft_wrap=True)
