"""`stepcare pathway …`: check, show, draw, publish; and a site's numbers."""

from enum import StrEnum
from typing import Annotated

import typer

from stepcare.options import options_of

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Pathway packs, and the numbers a site sets.")

SHIPPED = "mid_upper_back"
Pack = Annotated[str, typer.Argument(metavar="[PACK]", help="A shipped pack by its name, or a folder.")]


class Form(StrEnum):
    """How a pathway is drawn."""

    LADDER = "ladder"
    MERMAID = "mermaid"


@app.command()
def check(context: typer.Context, pack: Pack = SHIPPED) -> None:
    """Prove a pack: every finding with its place, gaps and overlaps with a patient; exit 6 when not proved."""
    from stepcare.desk.pathways import check_pack

    check_pack(options_of(context), pack)


@app.command()
def show(context: typer.Context, pack: Pack = SHIPPED) -> None:
    """Show a pack: roles, states, transitions, forms with their fields, rules, parameters."""
    from stepcare.desk.pathways import show_pack

    show_pack(options_of(context), pack)


@app.command()
def draw(
    context: typer.Context,
    pack: Pack = SHIPPED,
    form: Annotated[Form, typer.Option("--form", help="A ladder for the terminal, or Mermaid.")] = Form.LADDER,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="The same as --form mermaid.")] = False,
    episode: Annotated[
        str | None, typer.Option(metavar="EPISODE", help="Mark where it stands and what is open to it.")
    ] = None,
) -> None:
    """Draw a pathway."""
    from stepcare.desk.pathways import draw_pack

    draw_pack(options_of(context), pack, "mermaid" if mermaid else form.value, episode)


@app.command()
def publish(context: typer.Context, pack: Pack = SHIPPED) -> None:
    """Prove a pack and put it in force for new episodes; exit 6 when it is not proved."""
    from stepcare.desk.pathways import publish_pack

    publish_pack(options_of(context), pack)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a pack."""
    from stepcare.desk.pathways import print_schema

    print_schema()


@app.command("set")
def set_(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The parameter.")],
    value: Annotated[str, typer.Argument(help="Its value; `unset` takes it away.")],
) -> None:
    """Set a parameter for this site, effective at once; safety ones wait for a second person."""
    from stepcare.desk.pathways import set_parameter

    set_parameter(options_of(context), name, value)


@app.command("sign-off")
def sign_off(
    context: typer.Context,
    request: Annotated[str, typer.Argument(help="The request that `pathway set` named.")],
    answer: Annotated[str, typer.Argument(metavar="yes|no", help="Your answer.")],
) -> None:
    """Answer a request to change a safety parameter, as a second person."""
    from stepcare.desk.pathways import sign_off_parameter

    sign_off_parameter(options_of(context), request, answer)
