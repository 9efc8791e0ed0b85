"""What comes in from outside without a token: receipts of providers, and people who want no more messages.

A receipt is believed by its signature. The address of an opting-out is a secret of its own; whatever it is, known or
made up, the answer is the same plain page, and looking at it changes nothing: mail programs open addresses by themselves.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from stepcare.channels.dsn import ReportKind
from stepcare.channels.opting_out import LONGEST_TOKEN
from stepcare.channels.reported import Reported, opt_out, take_report
from stepcare.channels.signing import ID, SIGNATURE, TIMESTAMP, is_signed
from stepcare.web.call import Call, bytes_answer, call_of, json_answer
from stepcare.web.problem import Problem

HTML = b"text/html; charset=utf-8"
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>Messages · Nachrichten</title>
{said}
</html>
"""
ASKS = PAGE.format(
    said="""<p>Do you want no more of these messages?
<p lang="de">Möchten Sie diese Nachrichten nicht mehr bekommen?
<form method="post"><button>No more · Nicht mehr</button></form>"""
)
DONE = PAGE.format(
    said="""<p>These messages stop. For anything else, please speak to your clinic.
<p lang="de">Diese Nachrichten hören auf. Alles Weitere besprechen Sie bitte mit Ihrer Praxis."""
)
UNSIGNED = "The signature is missing, wrong or too old: sign anew with the secret of this channel."

router = APIRouter(tags=["from outside"])


class ReceiptBody(BaseModel):
    """What a provider reports of one message; what else it says is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    reference: Annotated[str, Field(pattern=r"^[!-~]{1,200}$", description="The name it gave the message.")]
    kind: Annotated[ReportKind, Field(description="What became of it.")]
    code: Annotated[str, Field(pattern=r"^[a-z0-9_.-]{0,40}$", description="Why, in a word or digits.")] = ""


RECEIPT = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": ReceiptBody.model_json_schema()}}}
}
FORM = {"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}}}
Token = Annotated[str, Path(max_length=LONGEST_TOKEN)]


@router.post("/hooks/receipts/{channel}", summary="A receipt from whoever sends our messages", openapi_extra=RECEIPT)
def take_receipt(request: Request, channel: Annotated[str, Path(max_length=40)]) -> Response:
    """Take a receipt signed as the Standard Webhooks scheme says; one that was taken before changes nothing."""
    call = call_of(request)
    secrets = call.service.channels.receipts.get(channel, ()) if call.service.channels is not None else ()
    headers = {name: call.headers.get(name.encode(), b"").decode("latin-1") for name in (ID, TIMESTAMP, SIGNATURE)}
    if not is_signed(secrets, headers, call.body, call.now()):
        raise Problem("unauthorized", UNSIGNED)
    try:
        body = ReceiptBody.model_validate_json(call.body)
    except ValidationError:
        raise Problem("invalid-input") from None
    said = Reported(channel=channel, reference=body.reference, kind=body.kind, code=body.code)
    found = take_report(call.app, said, via=f"hook:{channel}")
    if found == "not_ours":
        raise Problem("not-found")  # perhaps not yet: whoever tells us again later is heard
    return json_answer({"status": found})


@router.get("/u/{token}", summary="A page that asks whether no more messages are wanted")
async def ask_about_messages(request: Request, token: Token) -> Response:
    """Give the page; nothing is read, and nothing changes."""
    del request, token
    return bytes_answer(ASKS.encode(), 200, HTML)


@router.post("/u/{token}", summary="No more of these messages (RFC 8058)", openapi_extra=FORM)
def stop_messages(request: Request, token: Token) -> Response:
    """Keep that the person wants no more on this channel; the answer is the same for an address of nobody."""
    call = call_of(request)
    _stopped(call, token)
    return bytes_answer(DONE.encode(), 200, HTML)


def _stopped(call: Call, token: str) -> None:
    channels = call.service.channels
    found = channels.one_click.read(token) if channels is not None and channels.one_click is not None else None
    if found is not None:
        opt_out(call.app, found.person, found.channel, "unsubscribe", via="unsubscribe")
