"""What the file of channels may say, as models: the words of docs/channels.md and deploy/channels.example.yaml."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from stepcare.channels.port import OnUnknown

Seconds = Annotated[float, Field(gt=0, le=300)]
Lanes = Annotated[int, Field(ge=1, le=32)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class Shape(BaseModel):
    """A mapping with these keys and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SecretShape(Shape):
    """Where a secret is: in a file of its owner's alone, or in a variable of the environment."""

    file: str = ""
    environment: str = ""


class RateShape(Shape):
    """So many a minute in the long run, and so many at once."""

    per_minute: Annotated[float, Field(gt=0, le=600_000)]
    burst: Annotated[int, Field(ge=1, le=10_000)] = 1


class ChannelShape(Shape):
    """What every channel may say."""

    rate: RateShape | None = None
    person_rate: RateShape | None = None
    receipts: SecretShape | None = None
    on_unknown: OnUnknown | None = None
    at_once: Lanes | None = None


class ConsoleShape(ChannelShape):
    """A line on the terminal."""

    kind: Literal["console"]
    words: bool = False


class FileShape(ChannelShape):
    """A file of messages."""

    kind: Literal["file"]
    path: Annotated[str, Field(min_length=1, max_length=1000)]


class SmtpShape(ChannelShape):
    """A mail server."""

    kind: Literal["smtp"]
    host: Annotated[str, Field(min_length=1, max_length=255)]
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    trust: str = ""
    sender: str
    sender_name: Annotated[str, Field(max_length=100)] = ""
    reply_to: str = ""
    bounces: str = ""
    user: str = ""
    password: SecretShape | None = None
    connect_seconds: Seconds = 5
    command_seconds: Seconds = 5
    text_seconds: Seconds = 10
    seconds: Seconds = 14


class WebhookShape(ChannelShape):
    """A service that takes messages by a signed POST."""

    kind: Literal["webhook"]
    url: Annotated[str, Field(max_length=1000)] = ""
    url_secret: SecretShape | None = None
    trust: str = ""
    secrets: Annotated[list[SecretShape], Field(min_length=1, max_length=3)]
    connect_seconds: Seconds = 5
    seconds: Seconds = 14


class AppriseShape(ChannelShape):
    """One of the services that Apprise knows."""

    kind: Literal["apprise"]
    url: SecretShape
    seconds: Seconds = 12


AnyChannel = Annotated[
    ConsoleShape | FileShape | SmtpShape | WebhookShape | AppriseShape,
    Field(discriminator="kind"),
]


class UnsubscribeShape(Shape):
    """Where people reach this service from outside, and the key of the one-click addresses."""

    address: Annotated[str, Field(pattern=r"^https://[^\s?#]{1,200}$")]
    key: SecretShape


class FileOfChannels(Shape):
    """The whole file."""

    channels: Annotated[dict[Name, AnyChannel], Field(min_length=1, max_length=32)]
    site_rate: RateShape | None = None
    unsubscribe: UnsubscribeShape | None = None
