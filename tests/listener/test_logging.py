"""Every line of every library goes to one place, and no secret with it."""

import io
import json
import logging
import warnings

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from workers.logging import REDACTED, Redaction, configure_logging

SECRET = 'k3y-"with"\\-ünd-%/+'


@pytest.fixture
def lines():
    """Configures logging into a text; gives back the function that does and, called later, reads it."""
    stream = io.StringIO()
    root = logging.getLogger()
    before = (root.handlers[:], root.level)

    def configured(level: str = "info", log_format: str = "json", secrets: tuple[str, ...] = (SECRET,)) -> io.StringIO:
        configure_logging(level, log_format, secrets, stream=stream)
        return stream

    yield configured
    logging.captureWarnings(False)
    root.handlers[:], _ = before
    root.setLevel(before[1])
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_line_is_one_json_object_with_its_facts(lines):
    stream = lines()
    structlog.contextvars.bind_contextvars(run="r-1")
    structlog.get_logger("headrace.pages").info("page count done", pages=3)
    line = json.loads(stream.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "page count done", "pages": 3, "run": "r-1", "level": "info", "logger": "headrace.pages",
    }  # fmt: skip


def test_lines_of_the_libraries_have_the_same_form(lines):
    stream = lines()
    structlog.contextvars.bind_contextvars(run="r-1")
    logging.getLogger("celery.worker").warning("lost %s", "connection")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", stacklevel=1)
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], first["level"], first["run"]) == ("lost connection", "warning", "r-1")
    assert second["logger"] == "py.warnings"


def test_less_important_lines_are_left_out(lines):
    stream = lines("warning")
    structlog.get_logger().info("page count done")
    assert stream.getvalue() == ""


def test_talkative_libraries_stay_quiet_even_when_debugging(lines):
    stream = lines("debug")
    for name in ("httpx", "botocore.endpoint", "urllib3.connectionpool"):
        logging.getLogger(name).info("GET https://host/?X-Amz-Signature=abc")
    assert stream.getvalue() == ""


def test_a_console_line_is_for_eyes(lines):
    stream = lines("info", "console")
    structlog.get_logger().info("page count done", pages=3)
    assert "page count done" in stream.getvalue()
    assert "pages=3" in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_hostile_name_cannot_write_a_line_of_its_own(lines, log_format):
    stream = lines("info", log_format)
    structlog.get_logger().info("document recorded", key='a\n{"event": "forged"}\r\x1b[2J\u202e.pdf')
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b[2J" not in stream.getvalue()
    assert "\u202e" not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("secret", [SECRET, "plain-word", "line\nbreak", "' quote", "🔑🔑🔑🔑"])
def test_a_secret_is_taken_out_wherever_it_stands(lines, log_format, secret):
    stream = lines("info", log_format, (secret,))
    log = structlog.get_logger()
    log.info(secret, key=secret, many=[secret, {"deep": secret}], raw=secret.encode())
    structlog.contextvars.bind_contextvars(bound=secret)
    logging.getLogger("other").error("value %r", {"header": secret})
    try:
        raise ValueError(f"bad value: {secret}")
    except ValueError:
        log.exception("step failed")
    text = stream.getvalue()
    forms = (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], repr(json.dumps(secret))[1:-1])
    for form in (*forms, repr(secret.encode())[2:-1]):
        assert form not in text
    assert REDACTED in text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            "https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIA%2F1&X-Amz-Date=1&X-Amz-Signature=0af3&x=1",
            "https://b.s3.amazonaws.com/k?X-Amz-Credential=[redacted]&X-Amz-Date=1&X-Amz-Signature=[redacted]&x=1",
        ),
        ("https://h/k?AWSAccessKeyId=AKIA&Signature=ab%3D&Expires=9", "https://h/k?AWSAccessKeyId=[redacted]&Signature=[redacted]&Expires=9"),
        ("redis://:word@host:6379/0", "redis://[redacted]@host:6379/0"),
        ("postgresql+psycopg://me:word@host/name", "postgresql+psycopg://[redacted]@host/name"),
        ("Authorization: Basic a2V5LTEyMzQ1Njo=", "Authorization: Basic [redacted]"),
        ("s3://inbox/a@b:c.pdf is a document", "s3://inbox/a@b:c.pdf is a document"),
    ],
)  # fmt: skip
def test_signed_links_and_logins_are_taken_out(text, left):
    assert Redaction(())(text) == left


def test_the_login_that_a_key_becomes_is_taken_out():
    import base64

    header = base64.b64encode(b"nanonets-key-1:").decode()
    assert "bmFub25ldHMta2V5LTE6" not in Redaction(["nanonets-key-1"])(f"sent {header}")


@given(st.text(max_size=200), st.lists(st.text(min_size=4, max_size=12), max_size=3))
def test_redaction_leaves_no_secret_and_always_ends(text, secrets):
    redact = Redaction(secrets)
    for secret in secrets:
        assert secret not in redact(text + secret).replace(REDACTED, "")


def test_a_very_short_secret_does_not_blot_out_ordinary_words():
    assert Redaction(["a"])("a line") == "a line"
