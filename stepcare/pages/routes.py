"""Every page with its address."""

from starlette.routing import Route, Router

from stepcare.pages import caseload, episode, forms, logbook, messages, pathway, signing, worklist
from stepcare.web.problem import Problem

GET, POST = ["GET"], ["POST"]
FORM = "/episodes/{episode}/do/{command}/{what}"


def router() -> Router:
    """Give the routes; each runs in a thread of its own, because reading a database waits."""

    async def nowhere(scope: object, receive: object, send: object) -> None:
        _ = scope, receive, send
        raise Problem("not-found")

    return Router(
        routes=[
            Route("/", worklist.start, methods=GET),
            Route("/sign-in", signing.show_sign_in, methods=GET),
            Route("/sign-in", signing.sign_in, methods=POST),
            Route("/sign-out", signing.sign_out, methods=POST),
            Route("/worklist", worklist.show_worklist, methods=GET),
            Route("/caseload", caseload.show_caseload, methods=GET),
            Route("/find", caseload.find, methods=["GET", "POST"]),
            Route("/episodes/{episode}", episode.show_episode, methods=GET),
            Route("/episodes/{episode}/messages", messages.show_messages, methods=GET),
            Route("/due-work", messages.show_work, methods=GET),
            Route(FORM, forms.show_form, methods=GET),
            Route(FORM, forms.take_form, methods=POST),
            Route("/log-book", logbook.show_log, methods=GET),
            Route("/log-book/{number}", logbook.show_entry, methods=GET),
            Route("/pathway", pathway.show_pathway, methods=GET),
        ],
        default=nowhere,
        redirect_slashes=False,
    )
