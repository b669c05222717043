"""What everybody would have paid: per API key, and per submission of headrace."""

from collections import defaultdict
from collections.abc import Sequence

from simulator.journal import Accepted


def bill(accepted: Sequence[Accepted]) -> dict[str, object]:
    """Every accepted request is billed by its pages. Keys are called key-1, key-2 … as they first paid."""
    of_account: dict[str, list[Accepted]] = defaultdict(list)
    of_submission: dict[str, list[Accepted]] = defaultdict(list)
    for request in accepted:
        of_account[request.account].append(request)
        if request.submission is not None:
            of_submission[request.submission].append(request)
    return {
        "simulated": True,
        "requests": len(accepted),
        "pages": _pages(accepted),
        "keys": {
            f"key-{number}": {"requests": len(requests), "pages": _pages(requests)}
            for number, requests in enumerate(of_account.values(), start=1)
        },
        "submissions": {
            key: {
                "billed": len(requests),
                "pages": _pages(requests),
                "jobs": [file.id for request in requests for file in request.files],
                **_languages(requests),
            }
            for key, requests in of_submission.items()
        },
        "billed_twice": sorted(key for key, requests in of_submission.items() if len(requests) > 1),
    }


def _pages(requests: Sequence[Accepted]) -> int:
    return sum(request.pages for request in requests)


def _languages(requests: Sequence[Accepted]) -> dict[str, list[str]]:
    """The languages that were asked for, if any."""
    named = {request.language for request in requests if request.language is not None}
    return {"languages": sorted(named)} if named else {}
