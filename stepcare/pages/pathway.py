"""The pathway for people: its picture, its steps, every rule with its level and source, and the site's numbers."""

from starlette.requests import Request
from starlette.responses import Response

from stepcare.pages.picture import drawn
from stepcare.pages.visit import visit_of
from stepcare.shown import citations_of


def show_pathway(request: Request) -> Response:
    """Show the pathway that new episodes run on."""
    visit = visit_of(request)
    visit.reads("pathway")
    site = visit.app.store.site()
    sha256 = next(iter(site.pathways.values()), None)
    if sha256 is None:
        return visit.page("pathway.html", "Pathway", "Pathway", pathway=None)
    compiled = visit.app.engine.compiled(sha256)
    return visit.page(
        "pathway.html",
        compiled.pathway.title,
        "Pathway",
        pathway=compiled.pathway,
        sha256=sha256,
        picture=drawn(compiled.pathway, sha256, None, frozenset()),
        citations=citations_of(compiled.pathway),
        set_here=dict(site.parameters),
        values=dict(compiled.parameters),
    )
