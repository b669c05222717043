"""Every reason in words: what it means, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.states import Reason


@dataclass(frozen=True, slots=True)
class Explanation:
    """Two sentences for a person: what happened, and what mends it."""

    meaning: str
    remedy: str


EXPLANATIONS: Mapping[Reason, Explanation] = {
    # The document itself.
    Reason.NO_ROUTE: Explanation(
        "No route takes this object's bucket, prefix and ending; it has no manifest, only `headrace status` tells.",
        "Add a route for it to headrace.toml, restart headrace, then retry.",
    ),
    Reason.UNSUPPORTED_TYPE: Explanation(
        "The content is of a kind that the route's provider does not read, whatever the file's name says.",
        "A picture (as WebP, HEIC): write convert = true in its route. Anything else: convert it, or send it to a "
        "route whose provider reads it.",
    ),
    Reason.TOO_LONG: Explanation(
        "The document has more pages than the route allows.",
        "Split it, or raise most_pages of the route and retry.",
    ),
    Reason.TOO_LARGE: Explanation(
        "The object has more bytes than the route allows.",
        "Split or compress it, or raise most_bytes of the route and retry.",
    ),
    Reason.EMPTY_FILE: Explanation(
        "The object has no bytes.",
        "Upload the file again; the upload was probably cut off.",
    ),
    Reason.ENCRYPTED: Explanation(
        "The file opens only with a password, and none that its route names opens it.",
        "Remove the password and upload it again, or name it in the route (docs/preparation.md) and retry.",
    ),
    Reason.UNREADABLE: Explanation(
        "The file is damaged, is not what its name says, or allows no copy that the provider could read.",
        "Read the detail; open it on a desk, save or export it anew and upload that.",
    ),
    Reason.NO_PAGES: Explanation(
        "The file opens, but holds no page, or none of those that its route asks for.",
        "Look at pages_to_process of the route; else export it anew from its source and upload that.",
    ),
    Reason.COUNT_TIMED_OUT: Explanation(
        "Counting the pages took longer than its time limit; such files are often damaged.",
        "Save the file anew; where it is sound, raise HEADRACE_COUNT_SECONDS and retry.",
    ),
    Reason.COUNT_OUT_OF_MEMORY: Explanation(
        "Counting the pages needed more memory than its limit; such files are often made to do harm.",
        "Look where the file comes from; where it is sound, raise HEADRACE_COUNT_MEMORY_BYTES and retry.",
    ),
    Reason.READ_TIMED_OUT: Explanation(
        "The local engine took longer than its time limit for ten pages; such files are often damaged.",
        "Save the file anew, or send it to a route whose provider reads it elsewhere, then retry.",
    ),
    Reason.READ_OUT_OF_MEMORY: Explanation(
        "The local engine needed more memory than its limit; such files are often made to do harm.",
        "Look where the file comes from; where it is sound, send it to a route whose provider reads it elsewhere.",
    ),
    Reason.NEEDS_OCR: Explanation(
        "A page is a picture without text, and the route's provider reads text only.",
        "Send scans to a route whose provider reads pictures.",
    ),
    Reason.OBJECT_REPLACED: Explanation(
        "The object was overwritten before it was read; its new content has a run of its own.",
        "Nothing is to be done.",
    ),
    Reason.OBJECT_GONE: Explanation(
        "The object was removed before it was read.",
        "Upload it again if it is still wanted.",
    ),
    # The provider, with certainty.
    Reason.BAD_REQUEST: Explanation(
        "The provider did not understand the request (400); nothing was charged.",
        "Read the detail; check the route's model, then retry.",
    ),
    Reason.KEY_REFUSED: Explanation(
        "The provider does not accept the API key (401), so its account is left alone; nothing was charged.",
        "Set the right key and restart the workers; it goes on within 15 minutes, and at once by `headrace resume`.",
    ),
    Reason.QUOTA_USED_UP: Explanation(
        "The provider's quota or credit is used up (402), so its account is left alone; nothing was charged.",
        "Buy more, or wait for more; it goes on within 15 minutes of that, and at once by `headrace resume`.",
    ),
    Reason.FORBIDDEN: Explanation(
        "The API key may not use this model (403), so its lane is left alone; nothing was charged.",
        "Give the account the right to use it; it goes on within 15 minutes of that, and at once by `headrace resume`.",
    ),
    Reason.MODEL_NOT_FOUND: Explanation(
        "The provider knows no model of this id (404); nothing was charged.",
        "Correct model in the route, check it with `headrace doctor`, and reprocess; a retry asks for the old one.",
    ),
    Reason.REFUSED: Explanation(
        "The provider refused the document with an error of its own; nothing was charged.",
        "Read the detail, mend what it names, then retry.",
    ),
    Reason.LINK_UNUSABLE: Explanation(
        "The provider could not fetch the document by the link that it was given; nothing was charged.",
        'Let the provider reach the bucket, then retry; or write send = "stream" in the route, and reprocess.',
    ),
    Reason.RATE_LIMITED: Explanation(
        "The provider says that too much came too fast (429), so its lane pauses; nothing was charged.",
        "Nothing is to be done: it goes on by itself; where it comes often, lower pages_per_minute of the lane.",
    ),
    Reason.UNREACHABLE: Explanation(
        "No connection to the provider could be made; nothing was sent.",
        "It is tried again by itself, ten times; once failed, check the network with `headrace doctor` and retry.",
    ),
    Reason.NOT_SENT: Explanation(
        "The request was stopped before it was whole, so the provider cannot have taken it.",
        "It is tried again by itself; once failed, check how fast the bucket can be read, then retry.",
    ),
    Reason.PREDICTION_FAILED: Explanation(
        "The provider took the document and could not read any of its pages.",
        "Look at the document; where it is legible, retry it (which is paid again), or ask the provider.",
    ),
    Reason.PREDICTION_TIMED_OUT: Explanation(
        "The provider took the document and gave no answer for as long as the route's poll schedule asks.",
        "Retry to ask for the same answer again; raise polls in the route where its models are slow.",
    ),
    # The provider, in doubt.
    Reason.IN_DOUBT: Explanation(
        "Whether the provider took the document is not known: "
        "it is asked while this waits, and held where it cannot tell.",
        "Waiting, mend what its detail names, if anything; "
        "once held, look for it at the provider, and decide with `headrace resolve`.",
    ),
    Reason.SERVER_ERROR: Explanation(
        "The provider answered with a fault of its own (5xx); it may have taken the document.",
        "Nothing is to be done: see in_doubt.",
    ),
    Reason.HTML_ANSWER: Explanation(
        "A web page came back where an answer was expected; the provider may have taken the document.",
        "Check that HEADRACE_NANONETS_BASE_URL and any proxy are right; see in_doubt.",
    ),
    Reason.EMPTY_ANSWER: Explanation(
        "An answer without content came back; the provider may have taken the document.",
        "Nothing is to be done: see in_doubt.",
    ),
    Reason.UNREADABLE_ANSWER: Explanation(
        "The answer was not what the provider's interface promises; it may have taken the document.",
        "Nothing is to be done: see in_doubt.",
    ),
    Reason.TIMED_OUT: Explanation(
        "No answer came before the deadline of the request; the provider may have taken the document.",
        "Lower sync_page_limit where long documents time out; see in_doubt.",
    ),
    Reason.CONNECTION_CUT: Explanation(
        "The connection broke after the request had begun to leave; the provider may have taken the document.",
        "Nothing is to be done: see in_doubt.",
    ),
    Reason.WORKER_DIED: Explanation(
        "The worker died between sending the document and noting the answer; the provider may have taken it.",
        "Nothing is to be done: see in_doubt.",
    ),
    Reason.NOT_TAKEN: Explanation(
        "The provider's own list, looked through more than once, does not have the document; nothing was charged.",
        "It is sent again by itself, ten times; once failed, check the provider and the network, then retry.",
    ),
    Reason.GIVEN_UP: Explanation(
        "It was not known whether the provider took the document, and a person decided to leave it at that.",
        "Retry it by this reason where it is still wanted after all, which may pay a second time.",
    ),
    # What we allow ourselves, or a person did.
    Reason.IN_FLIGHT: Explanation(
        "The lane already has as many documents at the provider as it may.",
        "Nothing is to be done: it goes on when one comes back; raise in_flight of the lane where it can take more.",
    ),
    Reason.RATE: Explanation(
        "The lane sends as many pages a minute, or requests a second, as it may.",
        "Nothing is to be done; raise pages_per_minute or requests_per_second of the lane where its plan allows more.",
    ),
    Reason.BUDGET: Explanation(
        "What a budget allows for this day or month is spent or promised to others.",
        "Nothing is to be done: it goes on in the next day or month; `headrace budget raise` lets it go on now.",
    ),
    Reason.OVER_BUDGET: Explanation(
        "The document alone is larger than the whole budget of a day or month; nothing was sent.",
        "Split it, or raise the budget in headrace.toml (for this once by `headrace budget raise`), then retry.",
    ),
    Reason.PROVIDER_FAILING: Explanation(
        "The provider failed several times in a row, so its lane is left alone for a while; nothing was sent.",
        "Nothing is to be done: one document is tried at the time shown; `headrace resume` lets all go at once.",
    ),
    Reason.PAUSED: Explanation(
        "Somebody paused the provider, the account or the lane; nothing is sent.",
        "Say `headrace resume` to let it go on; `headrace status` shows who paused it, and why.",
    ),
    # Ourselves.
    Reason.POISON: Explanation(
        "Five workers in a row began a step with this document and ended without a word, as a crash does.",
        "Look into the workers' logs for this run; retry once the cause is mended.",
    ),
    Reason.STORAGE: Explanation(
        "The object store cannot be reached, or fails.",
        "It is tried again by itself every few seconds; where it failed in the end, see `headrace doctor` and retry.",
    ),
    Reason.STORAGE_REFUSED: Explanation(
        "The object store refuses to be read or written where answers and rows belong, or has no room left there.",
        "Mend the right, or make room (the detail says which, and where); it goes on by itself within ten minutes.",
    ),
    Reason.SOURCE_REFUSED: Explanation(
        "The object store does not let the document be read (403); nothing was charged.",
        "Give the key the right to read it (bucket policy, archive, encryption key); it goes on by itself for a "
        "day, then retry.",
    ),
    Reason.ANSWER_LOST: Explanation(
        "The provider's answer was stored, and somebody deleted or damaged it since.",
        "Restore it from a backup of the private prefix and retry, or reprocess the document, which pays again.",
    ),
    Reason.CONFIGURATION: Explanation(
        "The configuration lacks something that this document needs.",
        "Read the detail, check with `headrace routes check` and `headrace doctor`, then retry.",
    ),
    Reason.UNEXPECTED: Explanation(
        "Something happened that nobody foresaw.",
        "Look into the workers' logs for this run, report it, and retry.",
    ),
}


def explain(reason: Reason) -> Explanation:
    """What this reason means, and what to do about it."""
    return EXPLANATIONS[reason]
