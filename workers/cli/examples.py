"""The examples below each command's help; a test runs every one of them through the parser."""


def examples(*pairs: tuple[str, str]) -> str:
    """(what it does, the command) … -> the end of a help text."""
    lines = [f"  # {sentence}\n  $ {command}" for sentence, command in pairs]
    # A line of its own with \b keeps the help from filling up lines.
    return "\b\nexamples:\n" + "\n".join(lines)
