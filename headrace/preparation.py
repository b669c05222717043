"""A counted document, its route, what the provider takes -> what is to be done to a copy first; or a refusal."""

from headrace.errors import UnsupportedType
from headrace.page_count import PageCount
from headrace.providers import Capabilities
from headrace.routing import Route
from headrace.states import Preparation

PDF = "application/pdf"


def preparation_for(count: PageCount, route: Route, capabilities: Capabilities) -> Preparation | None:
    """What has to be done to a copy before the provider gets it; None where the document goes out as it is.

    UnsupportedType where the provider does not take it and the route does not let it be converted.
    """
    if count.protected and not capabilities.protected:
        return Preparation.DECRYPT
    convertible = count.media_type != PDF and PDF in capabilities.media_types
    if count.media_type not in capabilities.media_types:
        if convertible and route.convert:
            return Preparation.CONVERT
        raise _unsupported(count.media_type, route, capabilities, convertible=convertible)
    if convertible and route.convert and count.rotated:
        return Preparation.CONVERT
    return None


def _unsupported(media_type: str, route: Route, capabilities: Capabilities, *, convertible: bool) -> UnsupportedType:
    taken = ", ".join(sorted(capabilities.media_types))
    by_us = "write convert = true in its route to send a PDF made of it, " if convertible else ""
    return UnsupportedType(
        f"The content is {media_type}; {route.provider} takes {taken}. Convert it, {by_us}or send it by another route."
    )
