"""`stepcare demo`: a synthetic caseload through the real pathway."""

from typing import Annotated

import typer

from stepcare.options import options_of


def demo(
    context: typer.Context,
    episodes: Annotated[int, typer.Option(min=1, max=100_000, help="How many invented episodes.")] = 200,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Over how many days.")] = 180,
    seed: Annotated[int, typer.Option(help="The same seed tells the same story.")] = 1,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Do not serve pages afterwards.")] = False,
) -> None:
    """Play invented people through the real pathway, on a virtual clock, and sum up."""
    from stepcare.demo import run

    run(options_of(context), episodes=episodes, days=days, seed=seed, serve=not no_serve)
