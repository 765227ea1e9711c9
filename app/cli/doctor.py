"""`python -m app doctor`: is this machine ready?"""

import asyncio
import os

import typer
from rich.console import Console
from rich.text import Text

from app.settings import Settings

_COLOURS = {"OK": "green", "WARN": "yellow", "FAIL": "bold red"}


def doctor() -> None:
    """Say whether this machine is ready, and what to do; exit status 1 where something stops the demo."""
    settings = Settings.from_env(os.environ)
    console = Console(soft_wrap=True, highlight=False)
    try:
        from app.broker_client import quiet_client_logs
        from app.doctor import examine
    except ImportError as e:
        console.print(f"FAIL  packages   {e}: run `make setup`", style="bold red", markup=False)
        raise typer.Exit(1) from None
    quiet_client_logs()
    findings = asyncio.run(examine(settings))
    for finding in findings:
        level = Text(f"{finding.level:<5}", style=_COLOURS[finding.level])
        console.print(level, f"{finding.name:<10}", finding.said, markup=False)
    if any(finding.level == "FAIL" for finding in findings):
        raise typer.Exit(1)
