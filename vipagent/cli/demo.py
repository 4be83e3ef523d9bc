"""`vipagent demo`: see it work, on loopback."""

import sys

import click


@click.command()
@click.option(
    "--steps",
    is_flag=True,
    help="Walk through all steps and end, with status 0 if each went well; so it does without a terminal.",
)
def command(steps: bool) -> None:
    """Show three load balancers and a switch, with real BGP, on loopback: no root, no server."""
    try:
        from vipagent.demo.demo import run  # noqa: PLC0415 - its libraries are an extra's
    except ImportError as error:
        click.echo(f"the demo needs {error.name}: pip install 'vipagent[demo]'", err=True)
        sys.exit(2)
    sys.exit(run(walk=steps or not sys.stdin.isatty()))
