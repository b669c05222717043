"""What a provider is given to read: the stored document, or a copy that was prepared for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from config.routes import passwords_of
from headrace.providers import Provider, Source
from headrace.states import Preparation
from headrace.storage.source import Opened, StoredSource, head_of, opened
from tasks.step import Held


def found_for(held: Held) -> Opened:
    """The document's head, with its bytes where they are few and go out from here. Raises what `head_of` does."""
    store, document = held.services.store, held.document
    return Opened(head_of(store, document), None) if held.route.send == "url" else opened(store, document)


@contextmanager
def source_for(held: Held, found: Opened, provider: Provider) -> Iterator[Source]:
    """The document as the run's provider takes it; a copy is gone when the block ends.

    Raises what `headrace.preparing.preparer` does; ConfigurationError too where a password that the route names is
    not in the settings any more.
    """
    services, run = held.services, held.run
    stored = StoredSource(
        services.store,
        run.document,
        found.head.size,
        run.media_type or "",
        url=_link(held, provider),
        body=found.body,
    )
    if run.preparation is None:
        yield stored
        return
    passwords = passwords_of(held.route, services.settings) if run.preparation is Preparation.DECRYPT else ()
    with services.preparer.prepared(stored, run.preparation, pages=run.walked_pages, passwords=passwords) as copy:
        yield copy


def _link(held: Held, provider: Provider) -> str | None:
    """Where the provider is to fetch the document itself: only what is stored, and exactly this version, has a link."""
    document, route = held.document, held.route
    if route.send != "url" or document.version_id is None or not provider.capabilities.urls:
        return None
    return held.services.store.presign(
        document.bucket, document.key, version_id=document.version_id, valid_for=route.link_time
    )
