"""The README's Python code runs, in order, as one session."""

import re
import textwrap


def test_python_blocks_run(root, tmp_path, monkeypatch):
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^( *)```python\n(.*?)^\1```", text, re.M | re.S))
    assert blocks, "README.md has no ```python block"
    monkeypatch.chdir(tmp_path)
    session = {"__name__": "readme"}
    for block in blocks:
        # Empty lines before the code make an error name the README's own line.
        line = text[: block.start(2)].count("\n")
        code = "\n" * line + textwrap.dedent(block.group(2))
        exec(compile(code, str(readme), "exec"), session)
