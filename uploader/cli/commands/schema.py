"""`uploader schema`: print the JSON Schema of the project file."""

import json

import click

from uploader.cli.commands.upload import command as upload
from uploader.cli.output import print_lines
from uploader.cli.project_schema import project_schema


@click.command()
def command() -> int:
    """Print the JSON Schema of the project file, by which an editor checks and completes it.

    `uploader init` writes it beside the file, as uploader.schema.json.
    """
    print_lines(schema_text().splitlines())
    return 0


def schema_text() -> str:
    return json.dumps(project_schema(upload), indent=2) + "\n"
