"""`vipagent demo`: see it work, on loopback."""

import sys

import click


@click.command()
@click.option(
    "--steps",
    is_flag=True,
    help="Walk through all steps and end, with status 0 if each went well; so it does without a terminal.",
)
@click.option(
    "--listen",
    metavar="[HOST:]PORT",
    help="Have each load balancer show its status page, the first one there, the others at the next ports.",
)
def command(steps: bool, listen: str | None) -> None:
    """Show three load balancers and a switch, with real BGP, on loopback: no root, no server."""
    try:
        from vipagent.demo.demo import run  # noqa: PLC0415 - its libraries are an extra's
        from vipagent.demo.pages import pages  # noqa: PLC0415
    except ImportError as error:
        click.echo(f"the demo needs {error.name}: install vipagent with its extra [demo]", err=True)
        sys.exit(2)
    try:
        shown = pages(listen)
    except ValueError as error:
        raise click.BadParameter(f"{listen!r} {error}", param_hint="--listen") from None
    sys.exit(run(shown, walk=steps or not sys.stdin.isatty()))
