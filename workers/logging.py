"""Logs: one line an event on stderr, ours and the libraries' alike, with no secret in it."""

import base64
import json
import logging
import re
import sys
from collections.abc import Collection
from typing import Any, TextIO
from urllib.parse import quote, quote_plus

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"

# Their lines below a warning name URLs with signatures, headers and bodies.
_TALKATIVE = ("asyncio", "botocore", "boto3", "httpcore", "httpx", "s3transfer", "urllib3")
# Two lines a task that say nothing but its id and how long it took; our own name the run, and history has the time.
_TELLING_TASKS = ("celery.app.trace", "celery.worker.strategy")

# A shorter value is part of ordinary words, and would blot them out.
_SHORTEST_SECRET = 4

_SIGNED = re.compile(
    r"\b(X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature|access_token|api_key)=[^&\s\"'<>\\]+",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"(://)[^/\s@\"'<>]{0,256}:[^/\s@\"'<>]{0,256}@")
_AUTHORIZATION = re.compile(r"\b(Basic|Bearer|Token)\s+[A-Za-z0-9+/=_.~-]{8,}")


class Redaction:
    """Takes known secrets, in each of the forms they are written in, and signed links out of a text.

    It is the last line of defence: whoever logs a secret is to be mended.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST_SECRET for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._secrets = re.compile("|".join(re.escape(form) for form in longest_first)) if forms else None

    def __call__(self, text: str) -> str:
        if self._secrets is not None:
            text = self._secrets.sub(REDACTED, text)
        text = _SIGNED.sub(rf"\1={REDACTED}", text)
        text = _LOGIN.sub(rf"\1{REDACTED}@", text)
        return _AUTHORIZATION.sub(rf"\1 {REDACTED}", text)


def configure_logging(
    level: str, log_format: str, secrets: Collection[str] = (), *, stream: TextIO | None = None
) -> None:
    """Send every log line of this process, from structlog and from the libraries, to stderr.

    `level` is debug, info, warning or error; `log_format` is "json" (one object a line) or "console".
    `secrets` are the values that must never be shown. May be called again.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(_formatter(log_format, Redaction(secrets)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in _TELLING_TASKS:
        logging.getLogger(name).setLevel(logging.WARNING if root.level == logging.INFO else root.level)
    logging.captureWarnings(True)


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(log_format: str, redact: Redaction) -> logging.Formatter:
    render: Processor
    if log_format == "json":
        # Escaped, every line end, control character and direction mark of a hostile name stays on one harmless line.
        render = structlog.processors.JSONRenderer(ensure_ascii=True)
    else:
        render = structlog.dev.ConsoleRenderer(colors=False, sort_keys=False)

    def redacted(logger: WrappedLogger, name: str, event: EventDict) -> str:
        return redact(str(render(logger, name, event)))

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_shared_processors()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            *([] if log_format == "json" else [_inert]),
            redacted,
        ],
    )


def _inert(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Texts without what a terminal would act on; a traceback keeps its lines."""
    return {name: _printable(value) if name != "exception" else value for name, value in event.items()}


def _printable(value: Any) -> Any:
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in value)


def _forms(secret: str) -> set[str]:
    """The secret as itself, and as it stands in JSON, a repr, a URL and a Basic login."""
    login = base64.b64encode(f"{secret}:".encode("utf-8", "surrogatepass")).decode().rstrip("=")
    octets = repr(secret.encode("utf-8", "surrogatepass"))[2:-1]
    plain = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1], octets}
    # A repr or a JSON text is often part of a JSON line itself.
    twice = {json.dumps(form)[1:-1] for form in plain} | {repr(form)[1:-1] for form in plain}
    return plain | twice | {*_in_urls(secret), login}


def _in_urls(secret: str) -> set[str]:
    octets = secret.encode("utf-8", "surrogatepass")
    return {quote(octets, safe=""), quote(octets), quote_plus(octets)}
