"""Files in the format of the CoNLL shared tasks: a token and its tag a line."""

import re
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.data import tags
from pipelines.data.parallel_text import read_lines


def read(path: str | Path) -> list[dict]:
    """Reads the sentences of a file in columns, the token first and the tag last.

    Tabs part the columns of a line, or where it has none, blanks. A blank line ends a sentence;
    `-DOCSTART-` and the comments before a sentence, "# id ...", are left out.

    Args:
        path: As for `parallel_text.read_lines`; may be packed.

    Returns:
        Rows with `tokens` and `tags`, in BIO: see `tags.to_bio`.

    Raises:
        UserError: The file cannot be read or is empty, or a token has no tag.
    """
    rows, tokens, found = [], [], []
    for number, line in enumerate([*read_lines(path), ""], 1):
        line = line.strip(" \t\r")
        if not line or line.startswith("-DOCSTART-"):
            if tokens:
                rows.append({"tokens": tokens, "tags": found})
            tokens, found = [], []
            continue
        columns = line.split("\t") if "\t" in line else re.split(" +", line)
        token, tag = columns[0].strip(), columns[-1].strip()
        wrong = tags.complaint([tag])
        if wrong and not tokens and line.startswith("# "):
            continue
        if len(columns) < 2:
            raise UserError(f"{path}:{number}: the token '{token}' has no tag")
        if wrong:
            raise UserError(f"{path}:{number}: {wrong}")
        tokens.append(token)
        found.append(tag)
    if not rows:
        raise UserError(f"{path} is empty")
    return tags.to_bio(rows, path)
