"""docs/providers/nanonets.md says how each dialect says each call."""

from pathlib import Path

from headrace.providers.nanonets.dialect import DIALECTS, Encoding
from headrace.providers.nanonets.models import STATES
from headrace.states import Mode

PAGE = (Path(__file__).parents[2] / "docs" / "providers" / "nanonets.md").read_text(encoding="utf-8")
CALLS = {
    "predict a file, sync": lambda dialect: dialect.label_file[Mode.SYNC],
    "predict a file, async": lambda dialect: dialect.label_file[Mode.ASYNC],
    "predict links, sync": lambda dialect: dialect.label_urls[Mode.SYNC],
    "predict links, async": lambda dialect: dialect.label_urls[Mode.ASYNC],
    "get by file": lambda dialect: dialect.by_file,
    "get by page": lambda dialect: dialect.by_page,
    "window of days": lambda dialect: dialect.window,
    "full text of a file": lambda dialect: dialect.text_of_file,
    "full text of links": lambda dialect: dialect.text_of_urls,
    "list of models": lambda dialect: dialect.models,
    "one model": lambda dialect: dialect.model,
    "create a model": lambda dialect: dialect.create_model,
}
WRITTEN = {Encoding.MULTIPART: ", multipart", Encoding.FORM: ", form", Encoding.JSON: ", JSON", None: ""}


def cell(call):
    query = "".join(f"?{name}={value}" for name, value in call.query.items())
    fields = "".join(f", field `{name}={value}`" for name, value in call.fields.items())
    return f"`{call.method} {call.path}{query}`{WRITTEN[call.encoding]}{fields}"


def table():
    rows = [f"| call | {' | '.join(f'`{name}`' for name in DIALECTS)} |", "|---|" + "---|" * len(DIALECTS)]
    rows += [
        f"| {name} | {' | '.join(cell(call(dialect)) for dialect in DIALECTS.values())} |"
        for name, call in CALLS.items()
    ]
    return "\n".join(rows) + "\n"


def test_the_table_of_dialects_is_current():
    assert table() in PAGE, f"Put this table into docs/providers/nanonets.md:\n{table()}"


def test_every_state_of_a_model_is_told():
    told = " ".join(PAGE.split())
    for state, words in STATES.items():
        assert f"{state} {words}" in told
