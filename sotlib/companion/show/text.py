"""Text of a record or of the manifest, where Markdown is published."""

import re

_SPAN = re.compile(r"((?<!`)`[^`]+`(?!`))")


def plain(text: object) -> str:
    r"""Write Markdown that shows a text as it is, on one line: no links, roles, directives or HTML.

    Only code in single backticks stays code, in which nothing else has a meaning.

    Examples
    --------
    >>> print(plain("<b>[a](javascript:b)</b>, {include}`c`,  `d`"))
    \<b\>\[a\](javascript:b)\</b\>, \{include\}`c`, `d`
    >>> print(plain("1. % of a_b"), plain("::: {note}"))
    1\. % of a\_b \::: \{note\}
    """
    parts = _SPAN.split(" ".join(str(text).split()))
    parts[::2] = [re.sub(r"([\\`*_{}\[\]<>&$~])", r"\\\1", part) for part in parts[::2]]
    # What means something at the beginning of a line only.
    return re.sub(r"^(\d+(?=[.)])|(?=[#%+\-=:(!^]))", r"\1\\", "".join(parts))
