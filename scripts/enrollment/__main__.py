"""The command line of scripts/enroll."""

from argparse import ArgumentParser
import sys

from .bundle_command import BUNDLE
from .command import EnrollmentError
from .home_command import HOME

COMMANDS = {"bundle": BUNDLE, "home": HOME}


def main() -> int:
    """Run the command that is asked for; return the exit status."""
    given = _parser().parse_args()
    try:
        COMMANDS[given.command].run(given)
    except EnrollmentError as err:
        print(f"enroll: {err}", file=sys.stderr)
        return 1
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="scripts/enroll",
        description="Enrol Home Assistants in a fleet that cloudformation/fleet.yaml has made.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        command.add_arguments(
            commands.add_parser(
                name, help=command.summary, description=command.description
            )
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
