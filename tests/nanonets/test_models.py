"""Model calls: what is said of a model, in whichever shape, and what goes wrong on the way."""

import httpx
import pytest

from headrace.errors import InDoubt, PredictionRejected, ProviderUnavailable, RateLimited
from headrace.providers.nanonets.models import STATES
from headrace.states import Reason
from tests.nanonets.test_windows import api_of

MODEL = {
    "model_id": "0a1b",
    "model_type": "ocr",
    "state": 5,
    "status": "Model is live",
    "categories": [{"name": "total", "count": 52}, {"name": "due date"}, "plain"],
}


def answered(body, status=200):
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    return api_of(lambda _request: httpx.Response(status, **content))


@pytest.mark.parametrize(
    "body",
    [[MODEL], {"models": [MODEL]}, {"Models": [MODEL]}, {"message": "Success", "result": [MODEL]}, {"data": [MODEL]}],
)
def test_a_list_is_read_in_every_shape(body):
    (model,) = answered(body).models()
    assert (model.id, model.type, model.state, model.status) == ("0a1b", "ocr", 5, "Model is live")
    assert [(category.name, category.count) for category in model.categories] == [
        ("total", 52),
        ("due date", None),
        ("plain", None),
    ]


@pytest.mark.parametrize("body", [[], {"models": []}, {"models": None}, None])
def test_an_account_may_have_no_model(body):
    assert answered(b"null" if body is None else body).models() == []


@pytest.mark.parametrize("name", ["model_id", "id"])
def test_nothing_but_the_id_is_needed(name):
    model = answered({name: "x"}).model("x")
    assert (model.id, model.type, model.state, model.categories) == ("x", "", None, ())
    assert (model.state_in_words, model.is_live) == ("not told", False)


@pytest.mark.parametrize(("state", "live"), [(-1, False), (0, False), (3, False), (4, False), (5, True), (6, True)])
def test_a_state_has_its_words(state, live):
    model = answered(MODEL | {"state": state}).model("0a1b")
    assert (model.state_in_words, model.is_live) == (STATES[state], live)


def test_every_published_state_has_words_and_others_their_number():
    assert sorted(STATES) == [-1, 0, 1, 2, 3, 4, 5, 6]
    assert answered(MODEL | {"state": 17}).model("0a1b").state_in_words == "state 17"


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"", b"[" * 100_000, {"message": "Success"}, {"models": 7}, [7], [{"state": 5}], {"models": [{}]}],
)
def test_a_list_that_makes_no_sense_is_told(body):
    with pytest.raises(ProviderUnavailable):
        answered(body).models()


@pytest.mark.parametrize("call", [lambda api: api.models(), lambda api: api.model("m")], ids=["list", "get"])
@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (401, PredictionRejected, Reason.KEY_REFUSED),
        (403, PredictionRejected, Reason.FORBIDDEN),
        (404, PredictionRejected, Reason.MODEL_NOT_FOUND),
        (429, RateLimited, Reason.RATE_LIMITED),
        (503, ProviderUnavailable, Reason.UNREACHABLE),
    ],
)
def test_a_call_that_is_refused_says_so(call, status, error, reason):
    with pytest.raises(error) as caught:
        call(answered({"message": "no", "code": status}, status))
    assert caught.value.reason is reason


def test_a_model_is_created_with_its_labels():
    created = answered({"model_id": "new", "model_type": "ocr", "state": 0, "categories": []}).create_model(["total"])
    assert (created.id, created.state_in_words) == ("new", "created")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (httpx.Response(503), Reason.SERVER_ERROR),
        (httpx.Response(200, html="<html>"), Reason.HTML_ANSWER),
        (httpx.Response(200, json={"message": "Success"}), Reason.UNREADABLE_ANSWER),
        (httpx.ReadTimeout("slow"), Reason.TIMED_OUT),
        (httpx.RemoteProtocolError("cut"), Reason.CONNECTION_CUT),
    ],
)
def test_whether_a_model_was_created_may_not_be_known(answer, reason):
    def handler(request):
        asked.append(request.read())
        if isinstance(answer, Exception):
            raise answer
        return answer

    asked = []
    with pytest.raises(InDoubt, match="may have created the model: look with `headrace models list`") as caught:
        api_of(handler).create_model(["total"])
    assert caught.value.reason is reason
    assert len(asked) == 1


def test_a_model_that_was_not_created_may_be_created_again():
    def unreachable(_request):
        raise httpx.ConnectError("refused")

    with pytest.raises(ProviderUnavailable):
        api_of(unreachable).create_model(["total"])
    with pytest.raises(PredictionRejected):
        answered({"message": "no categories"}, 400).create_model(["total"])
