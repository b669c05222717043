"""The step that reads an object's head, picks its route, counts its pages and refuses what breaks a limit."""

from dataclasses import replace
from typing import Any

import structlog

from config.celery import SOFT_LIMIT_SECONDS
from config.routes import passwords_of
from headrace.errors import (
    ConfigurationError,
    CountTimedOut,
    DocumentGone,
    DocumentReplaced,
    EncryptedDocument,
    NoRoute,
    PermanentError,
    SourceRefused,
)
from headrace.ledger.records import Advance
from headrace.page_count import PageCount
from headrace.preparation import preparation_for
from headrace.routing import Route, choose_mode, choose_route, refuse_large, refuse_lower_bound
from headrace.states import Mode, Reason, State
from headrace.storage.source import StoredSource, opened
from tasks.hints import ROUTE
from tasks.step import Held, is_given_up, late_ends_as, step
from tasks.unread import end_unread

log = structlog.get_logger()


@step(ROUTE, claims={State.RECEIVED}, queue="route")
def route(held: Held) -> None:
    """Decide what becomes of a received document: it waits for its lane, or ends with the reason why not."""
    try:
        chosen = choose_route(held.document.bucket, held.document.key, held.services.routes.routes)
    except NoRoute as error:
        held.advance(Advance(State.FAILED, error.reason, str(error)))
        return
    held.services.ledger.record_revision(chosen)
    facts = _facts(chosen)
    try:
        held.advance(Advance(State.WAITING, due_at=held.services.clock.now(), facts=facts | _counted(held, chosen)))
    except (DocumentGone, DocumentReplaced) as error:
        end_unread(held, error, facts)
    except EncryptedDocument as error:
        # Of all kinds that are counted only a PDF can be protected.
        held.advance(Advance(State.FAILED, error.reason, str(error), facts=facts | {"media_type": "application/pdf"}))
    except PermanentError as error:
        held.advance(Advance(State.FAILED, error.reason, str(error), facts=facts))
    except SourceRefused as error:
        if not is_given_up(held, error):
            raise
        held.advance(Advance(State.FAILED, error.reason, str(error), facts=facts))
    except ConfigurationError as error:
        held.advance(Advance(State.FAILED, Reason.CONFIGURATION, str(error), facts=facts))


def _facts(chosen: Route) -> dict[str, Any]:
    lane = chosen.lane
    return {
        "route": chosen.name,
        "revision": chosen.revision,
        "provider": lane.provider,
        "account": lane.account,
        "model": lane.model,
    }


def _counted(held: Held, chosen: Route) -> dict[str, Any]:
    late = CountTimedOut(
        f"Fetching and counting the pages takes longer than a task may ({SOFT_LIMIT_SECONDS:g} seconds). See whether "
        "the bucket or the machine is slow and retry; else open the document in a viewer and save it anew, or split it."
    )
    with late_ends_as(late):
        return _found_out(held, chosen)


def _found_out(held: Held, chosen: Route) -> dict[str, Any]:
    services = held.services
    head, body = opened(services.store, held.document)
    seen = replace(held.document, size=head.size, last_modified=head.last_modified, version_id=head.version_id)
    if seen != held.document:
        # An event or a listing knows less than the head does: exactly this version is read from now on.
        services.ledger.record([seen])
    refuse_large(seen, chosen)
    source = StoredSource(services.store, seen, head.size, "", body=body)
    count = services.counter.count(
        source.read_range,
        source.size,
        most_pages=chosen.most_pages,
        passwords=passwords_of(chosen, services.settings),
    )
    capabilities = services.provider(chosen.lane).capabilities
    preparation = preparation_for(count, chosen, capabilities)
    refuse_lower_bound(count, chosen)
    mode = choose_mode(count.pages, chosen) if capabilities.asynchronous else _within_limit(count, chosen)
    log.info(
        "document routed",
        route=chosen.name,
        pages=count.pages,
        source=count.source,
        mode=str(mode),
        preparation=None if preparation is None else str(preparation),
    )
    return {
        "pages": count.pages,
        "pages_source": count.source,
        "walked_pages": count.pages if count.source == "walked" else None,
        "media_type": count.media_type,
        "preparation": preparation,
        "mode": mode,
        "attempts": 0,
    }


def _within_limit(count: PageCount, chosen: Route) -> Mode:
    choose_mode(count.pages, chosen)  # refuses what is too long
    return Mode.SYNC
