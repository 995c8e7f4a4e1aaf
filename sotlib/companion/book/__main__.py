"""Command line of the book: ``python -m sotlib.companion.book build | chapter | …``."""

import argparse
import ast
import shlex
import signal
import sys
from pathlib import Path

from sotlib.companion.book._common import SCALES, BookError, Layout


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    options = _parser().parse_args(arguments)
    layout = Layout(options.root.resolve(), options.out.resolve())
    try:
        options.run(layout, options)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sotlib"):
            raise
        print(f"error: {error.name} is missing: pip install 'sotlib[book]'", file=sys.stderr)
        return 1
    except (BookError, OSError) as error:  # a full disk, a file where a folder belongs
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _build(layout: Layout, options: argparse.Namespace) -> None:
    from sotlib.companion.book.build import build_book

    page = build_book(layout, scale=options.scale, jobs=options.jobs)
    where = "" if options.out == Path("_build") else f" OUT={shlex.quote(str(options.out))}"
    print(f"open {page.as_uri()}\nor run `make serve{where}` and open http://localhost:8000")


def _chapter(layout: Layout, options: argparse.Namespace) -> None:
    from sotlib.companion.book.build import build_chapter

    parameters = dict(map(_assignment, options.parameter))
    notebook = build_chapter(layout, options.name, scale=options.scale, parameters=parameters)
    print(f"executed notebook: {notebook}")


def _assign(layout: Layout, options: argparse.Namespace) -> None:
    from sotlib.companion.book.build import build_assignment

    for path in build_assignment(layout, options.name, scale=options.scale):
        print(path)


def _zips(layout: Layout, options: argparse.Namespace) -> None:
    from sotlib.companion.book.build import build_zips

    arguments = {"scale": options.scale, "jobs": options.jobs}
    for path in build_zips(layout, chapter=options.chapter, **arguments):
        print(f"{path} ({path.stat().st_size / 1e6:.2f} MB)")


def _notebooks(layout: Layout, options: argparse.Namespace) -> None:
    from sotlib.companion.book.alone import repository
    from sotlib.companion.book.notebooks import export, publish

    if options.publish and not repository(layout)["url"]:
        print("nothing is published: repository: url is not set in _config.yml")
        return
    print(export(layout, scale=options.scale))
    if options.publish:
        print(f"published as {publish(layout)}")


def _serve(layout: Layout, options: argparse.Namespace) -> None:
    from sotlib.companion.book.serve import server

    if not (layout.html / "index.html").is_file():
        raise BookError(f"there is no site in {layout.html}: build it first (make book)")
    with server(layout.html, options.port) as running:
        print(f"serving {layout.html} at http://localhost:{running.server_port} (Ctrl+C to stop)")
        running.serve_forever()


def _assignment(text: str) -> tuple[str, object]:
    """Read ``name=value``: the value as Python where it is a literal, else as text."""
    name, separator, value = text.partition("=")
    if not separator or not name.isidentifier():
        raise BookError(f"-p takes name=value, but got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--root", type=Path, default=Path(), help="the repository (default: .)")
    common.add_argument("--out", type=Path, default=Path("_build"), help="default: _build")
    scale = argparse.ArgumentParser(add_help=False)
    scale.add_argument("--scale", choices=SCALES, default="laptop", help="default: laptop")

    parser = argparse.ArgumentParser(
        prog="python -m sotlib.companion.book", description="Build the book."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    build = commands.add_parser("build", parents=[common, scale], help="execute all, build site")
    build.add_argument("--jobs", type=_positive, default=2, help="chapters at a time (default: 2)")
    build.set_defaults(run=_build)
    chapter = commands.add_parser("chapter", parents=[common, scale], help="execute one chapter")
    chapter.add_argument("name", help="for instance sot/why")
    chapter.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="may repeat"
    )
    chapter.set_defaults(run=_chapter)
    assign = commands.add_parser(
        "assignment", parents=[common, scale], help="a chapter without its solutions, and with"
    )
    assign.add_argument("name", help="for instance sot/why")
    assign.set_defaults(run=_assign)
    notebooks = commands.add_parser(
        "notebooks", parents=[common, scale], help="executed notebooks for Colab and Binder"
    )
    notebooks.add_argument("--publish", action="store_true", help="push them to their branch")
    notebooks.set_defaults(run=_notebooks)
    zips = commands.add_parser(
        "zips", parents=[common, scale], help="each chapter with all that it needs, in a zip"
    )
    zips.add_argument("--chapter", default="", help="only this one")
    zips.add_argument("--jobs", type=_positive, default=2, help="chapters at a time (default: 2)")
    zips.set_defaults(run=_zips)
    serve = commands.add_parser("serve", parents=[common], help="serve the site on loopback")
    serve.add_argument("--port", type=int, default=8000, help="default: 8000; 0 takes any")
    serve.set_defaults(run=_serve)
    return parser


def _ended(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)  # which ends the processes below, too


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _ended)
    sys.exit(main())
