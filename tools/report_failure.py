"""Open an issue that the weekly build failed, or comment where one is open already.

Uses GitHub's command ``gh`` with the token in GH_TOKEN; the address of the run comes from the
variables that GitHub Actions sets. ``make report-failure`` runs this.
"""

import json
import os
import subprocess
import sys

TITLE = "The weekly build on the newest dependencies fails"


def gh(*arguments: str) -> str:
    return subprocess.run(["gh", *arguments], check=True, capture_output=True, text=True).stdout


def main() -> None:
    server, repository = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    run = os.environ.get("GITHUB_RUN_ID")
    if not (server and repository and run):
        sys.exit("error: this reports a run of GitHub Actions, whose variables are not set")
    body = (
        f"See {server}/{repository}/actions/runs/{run}. The locked versions may still work: "
        "`make test` uses them, `make test NEWEST=1` in a fresh checkout does not."
    )
    found = json.loads(
        gh("issue", "list", "--state", "open", "--limit", "500", "--json", "number,title")
    )
    same = [issue["number"] for issue in found if issue["title"] == TITLE]
    if same:
        print(gh("issue", "comment", str(same[0]), "--body", body))
    else:
        print(gh("issue", "create", "--title", TITLE, "--body", body))


if __name__ == "__main__":
    main()
