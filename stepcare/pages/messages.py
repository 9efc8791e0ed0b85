"""What will be sent about an episode and why, and what became of every message; and how the due work goes as a whole."""

from starlette.requests import Request
from starlette.responses import Response

from stepcare.due_stats import due_stats, stats_json
from stepcare.due_story import due_story
from stepcare.pages.visit import visit_of

DAYS = 30


def show_messages(request: Request) -> Response:
    """Show what will be sent in the next days if nobody acts, and what was and was not sent."""
    visit = visit_of(request)
    reference = str(request.path_params["episode"])[:40]
    visit.reads_episode(reference)
    app = visit.app
    episode = app.store.episode(reference)
    compiled = app.engine.compiled(episode.pathway)
    story = due_story(app, episode, compiled, visit.now(), DAYS)
    return visit.page(
        "messages.html",
        "Messages",
        "Worklist",
        story=story,
        days=DAYS,
        episode=episode.id,
        name=app.store.names([episode.person.id]).get(episode.person.id),
    )


def show_work(request: Request) -> Response:
    """Show how the due work goes: how late, who works, what waits, what comes. It is about nobody."""
    visit = visit_of(request)
    visit.reads("pathway")
    stats = due_stats(visit.app.database, visit.now())
    return visit.page("work.html", "Due work", "Due work", stats=stats_json(stats), alive=len(stats.alive))
