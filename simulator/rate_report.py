"""Whether what was allowed was kept: the busiest minute and second of each API key and model."""

from collections import defaultdict
from collections.abc import Sequence

from simulator.journal import Accepted
from simulator.pace import Arrival, Busiest, busiest_minute, busiest_second
from simulator.rates import Rate, Rates

Lane = tuple[str, str]


def rate_report(accepted: Sequence[Accepted], rates: Rates) -> dict[str, object]:
    """What came since the rate that holds for it was ordered. Keys are named as the bill names them."""
    names = {account: f"key-{number}" for number, account in enumerate(dict.fromkeys(a.account for a in accepted), 1)}
    lanes = [
        {
            "key": names[lane[0]],
            "model": lane[1],
            **_of_lane(arrivals, rates.of(lane[1])),
            "refused": rates.refused[lane],
        }
        for lane, arrivals in arrivals_by_lane(accepted).items()
    ]
    allowed = [rate.model_dump(exclude_none=True) for rate in rates.all()]
    return {"simulated": True, "allowed": allowed, "lanes": lanes, "passed": any(map(_is_passed, lanes))}


def arrivals_by_lane(accepted: Sequence[Accepted]) -> dict[Lane, list[Arrival]]:
    """What was taken, by key and model."""
    found: dict[Lane, list[Arrival]] = defaultdict(list)
    for request in accepted:
        found[request.account, request.model].append(Arrival(request.arrived_at, request.pages))
    return dict(found)


def _of_lane(arrivals: Sequence[Arrival], rate: Rate | None) -> dict[str, object]:
    counted = [arrival for arrival in arrivals if rate is None or arrival.at >= rate.since]
    pages = None if rate is None else rate.pages_per_minute
    requests = None if rate is None else rate.requests_per_second
    return {
        "requests": len(counted),
        "busiest_minute": _told("pages", busiest_minute(counted, pages), pages),
        "busiest_second": _told("requests", busiest_second(counted, requests), requests),
    }


def _told(what: str, busiest: Busiest, allowed: float | None) -> dict[str, object]:
    return {what: busiest.amount, "allowed": allowed, "until": busiest.at, "passed": busiest.passed}


def _is_passed(lane: dict[str, object]) -> bool:
    spans = (lane["busiest_minute"], lane["busiest_second"])
    return any(isinstance(span, dict) and span["passed"] for span in spans)
