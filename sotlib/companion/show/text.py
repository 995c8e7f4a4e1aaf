"""Text and numbers, where Markdown is published."""

import re

_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
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


def power(value: float, digits: int = 1) -> str:
    """Write a number as text has it, with so many significant digits: 3·10⁸.

    Examples
    --------
    >>> power(3.2e8), power(1e-4), power(0.00123, digits=2), power(0)
    ('3·10⁸', '10⁻⁴', '1.2·10⁻³', '0')
    """
    if not value:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    times = "" if mantissa == "1" else "-" if mantissa == "-1" else f"{mantissa}·"
    return f"{times}10{str(int(exponent)).translate(_RAISED)}"
