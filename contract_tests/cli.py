"""The command `inova contract`: check that the server can be reached, run the suite with pytest, report the outcome.

Knows click. May not know what the tests ask.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from contract_tests.run import Cases
    from contract_tests.target import Target

# pytest's exit codes that are not 0 (passed) or 1 (failed): 2 interrupted; the rest never ran the suite.
EXIT_CODES = {0: 0, 1: 1, 2: 130}
REFUSED = 2


class Unreachable(click.ClickException):
    """The suite cannot begin; the message names the cure."""

    exit_code = REFUSED


@click.command("contract")
@click.option("--url", envvar="XAPI_URL", required=True, help="http://HOST[:PORT] of a pool master. Also XAPI_URL.")
@click.option("--user", envvar="XAPI_USER", default="root", show_default=True, help="Account to test with. Also XAPI_USER.")
@click.option("--password", envvar="XAPI_PASSWORD", required=True, help="Its password, shown and stored nowhere. Also XAPI_PASSWORD.")
@click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write passed, failed, skipped, the rules that were held and a row per test.",
)
@click.option("--html", "html_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the same as a page, rule by rule.")
@click.option("-k", "expression", help="Run only tests that match, as pytest's -k.")
@click.option("--template", default="", help="Template that boots a guest with PV drivers; a real server needs one, a simulator does not.")
@click.option("--insecure", is_flag=True, help="Accept any certificate of an https URL.")
@click.option(
    "--cases",
    "cases_path",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Hold the server to these cases, made by inova sim cases, in the place of the suite.",
)
@click.option("--mutating", is_flag=True, help="Run the cases that may change something as well.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Run tests in that many processes (needs pytest-xdist).")
def contract(
    *,
    url: str,
    user: str,
    password: str,
    json_path: Path | None,
    html_path: Path | None,
    expression: str | None,
    template: str,
    insecure: bool,
    cases_path: Path | None,
    mutating: bool,
    jobs: int,
) -> None:
    """Hold any XenAPI host, simulated or real, to the same behaviour.

    The suite makes VMs, disks and networks of its own and removes them all. With --cases the calls of a recording are asked again
    instead, and answers of another shape are told; only calls that read, unless --mutating.

    Exit codes: 0 every test passed, 1 some failed, 2 the
    suite could not begin.
    """
    from contract_tests.run import run
    from contract_tests.target import Target

    target = Target(url.rstrip("/"), user, password, template, insecure)
    cases = _cases(cases_path, may_change=mutating, jobs=jobs)
    check(target)
    for path, option in ((json_path, "--json"), (html_path, "--html")):
        if path is not None and not path.absolute().parent.is_dir():
            raise click.BadParameter(f"there is no folder {path.absolute().parent} for it", param_hint=option)
    code = run(target, json_path=json_path, html_path=html_path, expression=expression, jobs=jobs, cases=cases)
    click.get_current_context().exit(EXIT_CODES.get(code, REFUSED))


def _cases(path: Path | None, *, may_change: bool, jobs: int) -> Cases | None:
    """The cases to run; refuses what cannot be run."""
    from contract_tests.cases import BadCases, read_cases
    from contract_tests.run import Cases

    if path is None:
        if may_change:
            raise click.UsageError("--mutating is about --cases: name a file of them")
        return None
    if jobs > 1:
        raise click.UsageError("cases are run in their order, for each may take what an earlier one answered: leave --jobs out")
    try:
        read_cases(path)
    except BadCases as refusal:
        raise Unreachable(str(refusal)) from refusal
    return Cases(path, may_change)


def check(target: Target) -> None:
    """Log in once and out again; raises Unreachable with the cure when that fails."""
    import http.client
    import xmlrpc.client  # the official client raises its errors
    from xml.parsers.expat import ExpatError

    import XenAPI

    if urlsplit(target.url).scheme not in {"http", "https"} or not urlsplit(target.url).netloc:
        raise click.BadParameter(f"{target.url!r} is no URL of a host; write http://HOST or https://HOST", param_hint="--url")
    try:
        with target.session():
            pass
    except XenAPI.Failure as failure:
        raise Unreachable(_refused(target, failure.details)) from failure
    except OSError as error:
        cure = "Is the host up, and is the port right? For a simulator: inova sim serve --hosts 1"
        raise Unreachable(f"nothing answers XenAPI at {target.url} ({error}). {cure}") from error
    except (http.client.HTTPException, xmlrpc.client.Error, ExpatError) as error:
        raise Unreachable(f"what answers at {target.url} does not speak XenAPI ({error}). Does the URL name a XenServer host?") from error


def _refused(target: Target, details: list[str]) -> str:
    cures = {
        "SESSION_AUTHENTICATION_FAILED": "Check --user and --password.",
        "HOST_IS_SLAVE": f"It is a member of a pool; use its master instead: --url http://{details[-1]}",
        "HOST_STILL_BOOTING": "It is still booting; try again in a minute.",
    }
    return f"{target.url} lets {target.user!r} not in: {details[0]}. {cures.get(details[0], 'Log in with another client to see why.')}"


if __name__ == "__main__":
    contract(prog_name="inova contract")
