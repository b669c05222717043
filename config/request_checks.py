"""Whether a route asks its provider for something that it can do, and for nothing that excludes itself. Pure."""

from collections.abc import Iterator

from config.toml_lines import Path
from headrace.routing import Route

Mistake = tuple[Path, str]


def request_mistakes(route: Route) -> Iterator[Mistake]:
    """Each mistake with its path in the route."""
    yield from _model(route)
    yield from _passwords(route)
    if route.provider == "nanonets":
        yield from _with_text_only(route)
    else:
        yield from _for_nanonets_alone(route)


def _model(route: Route) -> Iterator[Mistake]:
    if route.provider == "local" and route.model:
        yield ("model",), "the local provider has no models; remove it."
    elif route.text_only and route.model:
        yield (
            ("model",),
            "has no part where text_only is asked for; remove one of the two.",
        )
    elif route.provider != "local" and not route.text_only and not route.model:
        yield ("model",), f"is missing; write the id of the {route.provider} model that reads these documents."


def _passwords(route: Route) -> Iterator[Mistake]:
    for index, name in enumerate(route.passwords):
        if name in route.passwords[:index]:
            yield ("passwords", index), f'"{name}" is named twice; remove one.'


def _for_nanonets_alone(route: Route) -> Iterator[Mistake]:
    asked = {
        "language": route.language,
        "text_only": route.text_only,
        "pages_to_process": route.pages_to_process,
    }
    for name, value in asked.items():
        if value:
            yield (name,), f"is for nanonets, and {route.provider} reads these documents; remove it."
    if route.send == "base64":
        yield ("send",), f'"base64" is for nanonets, and {route.provider} reads these documents; write "stream".'


def _with_text_only(route: Route) -> Iterator[Mistake]:
    # The vendor's call for the full text takes a file or URLs, and nothing else.
    if not route.text_only:
        return
    if route.pages_to_process:
        yield (
            ("pages_to_process",),
            "cannot be chosen where text_only is asked for: it reads every page; remove one.",
        )
    if route.language:
        yield ("language",), "cannot be told where text_only is asked for; remove one."
    if route.send == "base64":
        yield ("send",), '"base64" is not taken where text_only is asked for; write "stream" or "url".'
