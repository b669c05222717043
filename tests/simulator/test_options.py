"""How the simulator starts, and how it says that it cannot."""

import socket

import pytest

from simulator.__main__ import main
from simulator.journal import Journal
from simulator.options import read_options
from tests.simulator.process import simulator


def test_help_shows_every_option_and_examples(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for option in ("--port", "--key", "--models", "--seed", "--engine", "--state", "--pages-per-minute", "examples:"):
        assert option in shown


@pytest.mark.parametrize("options", [["--engine", "magic"], ["--sync-seconds", "-1"], ["--score-scale", "7"], ["--x"]])
def test_senseless_options_are_refused(options, capsys):
    with pytest.raises(SystemExit) as caught:
        read_options(options)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_taken_port_is_named(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["--port", port]) == 1
    assert f"Port {port}" in capsys.readouterr().err


def test_a_journal_has_one_simulator(tmp_path, capsys):
    state = tmp_path / "state.jsonl"
    first = Journal(state)
    assert main(["--port", "0", "--state", str(state)]) == 1
    first.close()
    assert "in use by another simulator" in capsys.readouterr().err


def test_a_foreign_file_is_no_journal(tmp_path, capsys):
    notes = tmp_path / "notes.txt"
    notes.write_text("not ours\n")
    assert main(["--port", "0", "--state", str(notes)]) == 1
    assert "not a journal" in capsys.readouterr().err
    assert notes.read_text() == "not ours\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[models]]\nid = 7", "models[0].id: 7 is no text."),
        ("[[modles]]\nid = 'a'", "models: is missing; modles: is not known."),
        ("models = 'a'", "models: 'a' is no list."),
        ("models", "it is no TOML: "),
    ],
)
def test_a_mistake_in_a_models_file_is_told_in_words(tmp_path, text, words, capsys):
    models = tmp_path / "models.toml"
    models.write_text(text)
    assert main(["--port", "0", "--models", str(models)]) == 1
    told = capsys.readouterr().err
    assert words in told
    assert "pydantic" not in told


def test_a_models_file_that_is_not_there_is_told_in_words(tmp_path, capsys):
    assert main(["--port", "0", "--models", str(tmp_path / "nofile.toml")]) == 1
    told = capsys.readouterr().err
    assert "nofile.toml: there is no such file" in told
    assert "Errno" not in told


@pytest.mark.parametrize(
    "text", ["models", "[[models]]\nid = 7", "[[modles]]\nid = 'a'", "[[models]]\nid='a'\n[[models.fields]]"]
)
def test_a_models_file_that_makes_no_sense_is_named(tmp_path, text, capsys):
    models = tmp_path / "models.toml"
    models.write_text(text)
    assert main(["--port", "0", "--models", str(models)]) == 1
    assert "models.toml is not a file of models" in capsys.readouterr().err


def test_a_term_signal_ends_it_in_order():
    with simulator() as running:
        running.process.terminate()
        assert running.process.wait(timeout=10) == 0
