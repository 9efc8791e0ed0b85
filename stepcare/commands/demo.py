"""`stepcare demo`: a synthetic caseload through the real pathway."""

from pathlib import Path
from typing import Annotated

import typer

from stepcare.options import options_of


def demo(
    context: typer.Context,
    episodes: Annotated[int, typer.Option(min=1, max=100_000, help="How many invented episodes.")] = 200,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Over how many days.")] = 180,
    seed: Annotated[int, typer.Option(help="The same seed tells the same story.")] = 1,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Do not serve pages afterwards.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Serve the pages on this port; 0 finds one.")] = 8000,
    uds: Annotated[Path | None, typer.Option(metavar="PATH", help="Serve on a unix socket instead.")] = None,
) -> None:
    """Play invented people through the real pathway, on a virtual clock, sum up, and serve the pages."""
    from stepcare.demo import Place, run

    at = None if no_serve else Place(port=port, uds=uds)
    run(options_of(context), episodes=episodes, days=days, seed=seed, at=at)
