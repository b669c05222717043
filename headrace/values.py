"""What the texts of an answer mean, where its provider only tells what stands on the page."""

from collections.abc import Mapping, Sequence

from headrace.amounts import read_amount
from headrace.dates import read_date, writes_day_first
from headrace.labels import Kind, LabelRule
from headrace.prediction import Field, Prediction


def with_values(prediction: Prediction, rules: Sequence[LabelRule]) -> Prediction:
    """The same answer, its fields with the kind that a rule gives their label, and the value of that kind.

    A field whose provider gave it a kind or a value keeps both; one that no rule names stays as it is. A text
    that is not of the kind has the value None: the text itself is beside it.
    """
    kinds: Mapping[str, Kind] = {rule.label: rule.kind for rule in rules}
    if not kinds:
        return prediction
    day_first = writes_day_first(field.text or "" for page in prediction.pages for field in page.fields)
    pages = tuple(
        page.model_copy(
            update={"fields": tuple(_with_value(field, kinds, day_first=day_first) for field in page.fields)}
        )
        for page in prediction.pages
    )
    return prediction.model_copy(update={"pages": pages})


def _with_value(field: Field, kinds: Mapping[str, Kind], *, day_first: bool) -> Field:
    kind = kinds.get(field.label)
    if kind is None or field.kind is not None or field.value is not None or field.text is None:
        return field
    return field.model_copy(update={"kind": kind, "value": _value(field.text, kind, day_first=day_first)})


def _value(text: str, kind: Kind, *, day_first: bool) -> str | None:
    match kind:
        case "date":
            return read_date(text, day_first=day_first)
        case "amount":
            return read_amount(text)
        case "text":
            return text
