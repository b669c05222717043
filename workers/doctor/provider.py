"""The prediction APIs: reachable, and each key right for its model, as far as a call that costs nothing can tell."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from headrace.faults import fault_point
from workers.doctor.findings import Finding, advice, ok, wrong

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

    from headrace.routing import Lane

_ANSWER_SECONDS = 10.0


def examine_lanes(lanes: "Iterable[Lane]", keys: "Mapping[str, SecretStr]", base_url: str) -> Iterator[Finding]:
    """Every lane once: the local provider needs nothing, the others a key that their API knows."""
    for lane in sorted(set(lanes)):
        if lane.provider == "local":
            yield ok("provider local", "It reads on this machine; there is no server or key.")
        elif lane.account in keys:
            yield examine_nanonets(lane, keys[lane.account], base_url)
        else:
            yield wrong(
                f"provider {lane}", "Its account has no key.", f"Set the key of {lane.account!r}: {_setting(lane)}."
            )


def examine_nanonets(lane: "Lane", key: "SecretStr", base_url: str) -> Finding:
    """Ask for the model's own record, or where none is asked for all models: both are free, and need the key."""
    import httpx

    from headrace.providers.nanonets import nanonets_client
    from headrace.providers.nanonets.dialect import REFERENCE

    address = REFERENCE.model.address(model=lane.model) if lane.model else REFERENCE.models.address()
    try:
        with nanonets_client(key, base_url) as client:
            fault_point("doctor.model.before")
            response = client.get(address, timeout=_ANSWER_SECONDS)
            fault_point("doctor.model.after")
    except httpx.HTTPError as error:
        return wrong(
            f"provider {lane}",
            f"{base_url} does not answer ({type(error).__name__}).",
            "Check HEADRACE_NANONETS_BASE_URL, the network, and any proxy between.",
        )
    return judge(lane, response)


def judge(lane: "Lane", response: "httpx.Response") -> Finding:
    """What the answer to a question about the model says about key and model."""
    subject = f"provider {lane}"
    match response.status_code:
        case 200 if _is_json(response):
            return _judge_model(lane, response)
        case 401:
            return wrong(subject, "The API refuses the key (401).", f"Set the right key: {_setting(lane)}.")
        case 402:
            return advice(
                subject, "The key is right, and its quota is used up (402).", "Buy more, or wait; then retry."
            )
        case 403:
            return wrong(
                subject,
                "The key may not use this model (403).",
                "Give the account the right to it, or name another account in the route.",
            )
        case 404 if lane.model:
            return wrong(subject, "The API knows no such model (404).", "Correct model in headrace.toml.")
        case 429:
            return advice(subject, "The API answers that it was asked too much (429).", "Look again in a minute.")
        case status if status >= 500:
            return wrong(subject, f"The API has a fault of its own ({status}).", "Wait, or ask the vendor.")
        case status:
            return wrong(
                subject,
                f"Something answers that is not the API (status {status}).",
                "Check HEADRACE_NANONETS_BASE_URL and any proxy between.",
            )


def _judge_model(lane: "Lane", response: "httpx.Response") -> Finding:
    from headrace.providers.nanonets.answers import UnreadableBody
    from headrace.providers.nanonets.models import read_model

    subject = f"provider {lane}"
    # What is simulated must never be taken for the vendor's.
    simulated = "SIMULATED, by what its base URL names. " if _is_simulated(response.json()) else ""
    if not lane.model:
        return ok(subject, f"{simulated}The API answers and takes the key; text_only asks no model.")
    try:
        model = read_model(response.content)
    except UnreadableBody:
        model = None
    if model is not None and model.state is not None and not model.is_live:
        found = f"{simulated}The API takes the key and knows the model, which is not live: {model.state_in_words}."
        return advice(subject, found, "Train it on the vendor's pages, or name another model in headrace.toml.")
    return ok(subject, f"{simulated}The API answers, takes the key and knows the model.")


def _setting(lane: "Lane") -> str:
    if lane.account == "nanonets":
        return "NANONETS_API_KEY"
    return f"the entry {lane.account!r} of HEADRACE_ACCOUNTS"


def _is_simulated(body: object) -> bool:
    """Whether headrace's simulator answered: it says so in each object."""
    return any(isinstance(one, dict) and one.get("simulated") is True for one in (body, *_listed(body)))


def _listed(body: object) -> list[object]:
    return body if isinstance(body, list) else []


def _is_json(response: "httpx.Response") -> bool:
    try:
        return isinstance(response.json(), dict | list)
    except ValueError:
        return False
