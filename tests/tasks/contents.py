"""One S3 key into which content after content is dropped, told of by events or listings, in whatever order."""

import gzip
import json
from dataclasses import replace
from datetime import timedelta
from hashlib import md5

from headrace.document import Document
from headrace.exports.manifest import Manifest
from headrace.exports.order import Order
from headrace.ledger.records import Recorded, Run, RunFilter
from headrace.prediction import Cell, Field, Page, Prediction, Table, Word
from headrace.providers import Answer, Capabilities
from headrace.states import Reason, State
from headrace.storage.watching import Watch
from tests.pdfs import make_pdf
from tests.tasks.world import INBOX, World
from workers.comebacks import Comebacks

KEY = "paid/a.pdf"
CONTENTS = {"A": make_pdf(1), "B": make_pdf(2), "C": make_pdf(3)}
LONGEST_LEASE = timedelta(seconds=16)


def document_of(name: str) -> Document:
    return Document(INBOX, KEY, md5(CONTENTS[name]).hexdigest())


class Reader:
    """A provider that says which content it was given. A has text, words and a table; B none of them; C a table."""

    capabilities = Capabilities(
        paid=True, asynchronous=True, urls=True, media_types=frozenset({"application/pdf"}), find=True
    )

    def __init__(self) -> None:
        self.requests = []

    def submit(self, source, request):
        self.requests.append(request)
        body = b"".join(source.chunks())
        return answer_about(next(name for name, content in CONTENTS.items() if content == body))


def answer_about(name: str) -> Answer:
    table = Table(cells=(Cell(row=1, column=1, text=name, label="Item"),))
    first = Page(
        number=1,
        fields=(Field(label="content", text=name),),
        tables=() if name == "B" else (table,),
        text=f"text of {name}" if name == "A" else None,
        words=(Word(text=name),) if name == "A" else (),
    )
    length = list(CONTENTS).index(name) + 1
    pages = (first, *(Page(number=number) for number in range(2, length + 1)))
    return Answer(Prediction(provider="nanonets", model="m", pages=pages), json.dumps({"content": name}).encode())


class Contents:
    """The contents of one key in a world, whose store has the world's clock."""

    def __init__(self, world: World, *, sequencers: bool) -> None:
        self.world = world
        self.events: list[Document] = []
        self.lies: str | None = None
        self._sequencers = sequencers
        self._watch = self._new_watch()

    def put(self, name: str) -> int:
        """Drop a content; the number of the event that tells of it."""
        self.world.store.put(INBOX, KEY, CONTENTS[name])
        head = self.world.store.head(INBOX, KEY)
        sequencer = f"{len(self.events) + 1:016x}" if self._sequencers else None
        self.events.append(replace(document_of(name), size=head.size, version_id=head.version_id, sequencer=sequencer))
        self.lies = name
        return len(self.events) - 1

    def delete(self) -> None:
        self.world.store.delete(INBOX, KEY)
        self.lies = None

    def tell(self, event: int) -> None:
        """Take one event in, as the listener does."""
        told = self.events[event]
        comebacks = Comebacks(self.world.ledger, self.world.store, {told.id})
        self._hint(self.world.ledger.record([comebacks.completed(told)]))

    def look(self) -> None:
        """List the prefix once, as the listener does."""
        self._hint(self._watch.round().recorded)

    def look_anew(self) -> None:
        """List the prefix as a process does that was just started, or a scan."""
        self._watch = self._new_watch()
        self.look()

    def _new_watch(self) -> Watch:
        return Watch(self.world.store, self.world.ledger, INBOX, "paid/", lambda _key: True)

    def drop(self, name: str) -> None:
        """Drop a content, tell of it, and let everything come to rest; then a second passes."""
        self.tell(self.put(name))
        self.settle()
        self.second()

    def second(self) -> None:
        self.world.clock.pass_(timedelta(seconds=1))

    def settle(self) -> None:
        """Let every lease run out, and the sweep do its work, until nothing is left to do."""
        for _ in range(12):
            self.world.deliver_all()
            if all(run.published or run.reason is Reason.IN_DOUBT for run in self.runs()):
                return
            self.world.clock.pass_(LONGEST_LEASE)
            self.world.sweep()
        raise AssertionError([(run.id, run.state, run.reason) for run in self.runs() if not run.published])

    def runs(self) -> list[Run]:
        return self.world.ledger.runs(RunFilter(latest=False), 100)

    def run_of(self, name: str) -> Run | None:
        return self.world.ledger.latest_run(document_of(name).id)

    def _hint(self, recorded: "list[Recorded] | tuple[Recorded, ...]") -> None:
        for one in recorded:
            if one.hint is not None:
                self.world.hints.hint(one.run_id, one.hint)

    def assert_stands(self, name: str) -> None:
        """All that is published is of this content, and all of it is there."""
        self.assert_rows_are_of(name)
        manifest = self._manifest(document_of(name).object_id)
        assert (manifest.document, manifest.state) == (document_of(name).id, State.EXPORTED)

    def assert_rows_are_of(self, name: str) -> None:
        """The published files are of this content, whatever became of the newest run."""
        object_id = document_of(name).object_id
        manifest = self._manifest(object_id)
        assert manifest.published is not None
        assert manifest.published.document == document_of(name).id
        self._check_files(name, object_id, {file.key for file in manifest.published.files})

    def assert_kept(self, name: str) -> None:
        """Where each content keeps its rows: this one's stand, of its own run."""
        manifest = self._manifest(document_of(name).id)
        assert (manifest.document, manifest.state) == (document_of(name).id, State.EXPORTED)
        self._check_files(name, document_of(name).id, {file.key for file in manifest.published.files})

    def _keys(self) -> list[str]:
        return [head.key for page in self.world.store.list("out", "rows/") for head in page]

    def _manifest(self, stem: str) -> Manifest:
        (key,) = [key for key in self._keys() if "/documents/" in key and stem in key]
        return Manifest.model_validate_json(self.world.store.read("out", key))

    def _check_files(self, name: str, stem: str, listed: set[str]) -> None:
        keys = [key for key in self._keys() if "/documents/" not in key and stem in key]
        assert listed == set(keys)
        for key in keys:
            order = Order.read(self.world.store.head("out", key).metadata)
            assert order is not None
            assert order.document == document_of(name).id, key
            body = self.world.store.read("out", key)
            text = (gzip.decompress(body) if key.endswith(".gz") else body).decode()
            assert not any(document_of(other).id in text for other in CONTENTS if other != name), key
            assert _says_what_it_should(key, name, text), (key, text)


def _says_what_it_should(key: str, name: str, text: str) -> bool:
    told = text.split("\n", 1)[1] if ".csv" in key else text
    if "/text/" in key or "/words/" in key:
        return bool(told) == (name == "A")
    return bool(told.strip()) == (name != "B" or "/fields/" in key)
