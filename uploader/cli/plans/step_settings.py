"""The settings of a plan's steps: each is what `upload -f plan.toml#step` has, with the options typed."""

from collections.abc import Sequence

import click
from click.core import ParameterSource

from uploader.cli.commands.upload import command as upload, job_fields
from uploader.cli.options.parameters import as_words, option_of
from uploader.cli.options.project import PROJECT_OPTION, Project
from uploader.errors import SettingsError, UploaderError
from uploader.settings import Settings

#: Options that are no settings of a job.
_NO_SETTINGS = ("log_format", "verbose", "as_json", "summary_file", "project")
#: Options whose files are a step's own.
_OF_A_STEP = ("--checkpoint", "--results")


def typed_words(context: click.Context) -> list[str]:
    """The options of `upload` that were typed, as words. SettingsError for those that are of one step."""
    words: list[str] = []
    for parameter in context.command.params:
        name = option_of(parameter)
        source = context.get_parameter_source(parameter.name or "")
        if isinstance(parameter, click.Argument) or name == PROJECT_OPTION:
            continue
        if source in {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT} and name in _OF_A_STEP:
            raise SettingsError(f"{name} names a file of one step; write it below a [[step]] of the plan")
        if source is ParameterSource.COMMANDLINE:
            words += as_words(name, context.params[parameter.name or ""])
    return words


def settings_of(project: Project, words: Sequence[str]) -> Settings:
    """The settings of a step's job. UploaderError, which names the step."""
    sources = project.values["SOURCE"]  # a variable would give all steps the same
    with upload.make_context(
        "upload", [PROJECT_OPTION, str(project.path), *words, "--", *sources]
    ) as context:
        values = {name: value for name, value in context.params.items() if name not in _NO_SETTINGS}
        try:
            return Settings(**job_fields(**values))
        except UploaderError as error:
            error.args = (f"step {project.step}: {error}",)
            raise
