"""The command that uploads a job's corrected rows, with the job's settings. Words in, words out."""

from collections.abc import Mapping, Sequence
from typing import Any

from uploader.cli.options.project import Project
from uploader.cli.project_file import words_beyond
from uploader.cli.text.next_command import account_words, command_line, path_word
from uploader.jobs.resume_checks import recorded_association, with_present_names
from uploader.records.associations.link_columns import association_text, link_column, normal
from uploader.records.blank_words import as_compared
from uploader.records.duplicates import OnDuplicate
from uploader.records.mapping_file import MappingFile
from uploader.sources.formats.csv_header import DELIMITERS
from uploader.storage.checkpoint import Identity

Options = Mapping[str, Sequence[str]]


def upload_again_command(
    output: str,
    delimiter: str,
    identity: Identity,
    repeated: Options,
    mapping: MappingFile | None,
    *,
    project: Project | None = None,
) -> str:
    """`output`: the file of failed rows; `delimiter`: of its cells, "" unless it is CSV. `repeated`: of the
    checkpoint. `mapping`: the content of the file that describes the columns there, if it can be read.
    `project`: the job's project file, if it has one.
    """
    settings = _beyond(with_present_names(identity.settings), mapping or MappingFile())
    words = ["--mapping", *repeated["--mapping"]] if mapping and "--mapping" in repeated else []
    words += _source_words(delimiter, identity) if delimiter else []
    words += _key_words(settings)
    for column, name in settings["map"].items():
        words += ["--map", f"{column}={name}"]
    for column in settings["ignore"]:
        words += ["--ignore", column]
    for text in filter(None, map(_association_text, settings["associate"])):
        words += ["--associate", text]
    words += ["--portal", identity.portal] if identity.portal else []
    words += _value_words(settings, repeated) + _suppression_words(settings, repeated)
    for option in ("--on-duplicate", "--add-to-list", "--create-missing"):
        words += [word for value in repeated.get(option, ()) for word in (option, value)]
    words += account_words(repeated)
    if project is not None:
        own = words_beyond(project, words)
        words = ["-f", path_word(str(project.path)), *own, *instead_of_file(output, delimiter, project)]
    return command_line("upload", path_word(output), *words)


def instead_of_file(output: str, delimiter: str, project: Project) -> list[str]:
    """Options in place of those that a project file has for its own sources."""
    is_workbook = output.lower().endswith(".xlsx")
    instead = {
        "--encoding": "" if is_workbook else "utf-8",
        "--format": "" if is_workbook else "csv" if delimiter else "ndjson",
        "--delimiter": delimiter or project.values.get("--delimiter"),
        "--sheet": "",
        "--query": "",
        "--checkpoint": path_word(f"{output}.checkpoint"),
        "--results": path_word(f"{output}.results.csv"),
    }
    differs = {
        option: value for option, value in instead.items() if project.values.get(option, value) != value
    }
    return [word for option, value in differs.items() for word in (option, str(value))]


def unnamed_files(identity: Identity, repeated: Options, mapping: MappingFile | None) -> str:
    """Words about the options that `upload_again_command` lacks; "" if it lacks none.

    Earlier versions did not record the names of these files, and a mapping file may be gone.
    """
    settings = _beyond(with_present_names(identity.settings), mapping or MappingFile())
    options = {"--owner-map": "owner_map", "--values": "values", "--suppress": "suppress"}
    lacking = [option for option, name in options.items() if settings.get(name) and option not in repeated]
    is_in_file = not all(map(_association_text, settings["associate"]))
    # No option says that a column has no such words, or what separates the values of a cell.
    if is_in_file or not all(settings["blank_values"].values()):
        lacking.append("--mapping")
    if not lacking:
        return ""
    return f", with {' and '.join(lacking)} added, whose files this job did not record by name"


def _beyond(settings: Mapping[str, Any], mapping: MappingFile) -> dict[str, Any]:
    """The settings that a mapping file does not give already."""
    tables: dict[str, Mapping[str, object]] = {
        "map": mapping.mapped,
        "date_orders": mapping.date_orders,
        "decimals": mapping.decimals,
        "option_readings": mapping.option_readings,
        "timezones": mapping.timezones,
        "policies": mapping.policies,
        "values": mapping.values.replacements,
        "suppress_where": {column: list(values) for column, values in mapping.suppress_where.items()},
    }
    rest = dict(settings)
    for name, given in tables.items():
        rest[name] = {key: value for key, value in settings.get(name, {}).items() if given.get(key) != value}
    known = settings.get("blank_values", {})
    given_words = {column: as_compared(words) for column, words in mapping.blank_values.items()}
    rest["blank_values"] = {
        column: sorted(left)
        for column, words in known.items()
        if (left := frozenset(words) - given_words.get(column, frozenset()))
        or (not words and given_words.get(column) != left)
    }
    for name, columns in (("ignore", mapping.ignored), ("clear", mapping.cleared)):
        rest[name] = [column for column in settings.get(name, ()) if column not in columns]
    of_file = [recorded_association(normal(one)) for one in mapping.associations]
    rest["associate"] = [one for one in settings.get("associate", ()) if one not in of_file]
    if settings.get("on_bad_value") == mapping.on_bad_value:
        rest["on_bad_value"] = ""
    return rest


def _association_text(recorded: Mapping[str, Any]) -> str | None:
    return association_text(normal(link_column(recorded["column"], recorded)))


def _source_words(delimiter: str, identity: Identity) -> list[str]:
    """The options for reading a file of cells. It is in UTF-8, whatever the sources were."""
    first = "".join(identity.sources[0].shape.columns[:1])
    words = ["--format", "csv"] if first.startswith(("[", "{")) else []  # a header may begin as JSON does
    return words + (["--delimiter", delimiter] if delimiter not in DELIMITERS else [])


def _key_words(settings: Mapping[str, Any]) -> list[str]:
    match = settings.get("match", [settings["id_property"]])
    words = ["--match", ",".join(match)] if len(match) > 1 else []
    if len(match) == 1 and match != ["email"]:
        words = ["--id-property", *match]
    kind = settings["object_type"]
    return words + (["--object-type", kind] if kind != "contacts" else [])


def _value_words(settings: Mapping[str, Any], named: Options) -> list[str]:
    """The options for how values are written."""
    words: list[str] = []
    for option, name in (("--only", "only"), ("--clear", "clear")):
        for column in settings.get(name, ()):
            words += [option, column]
    for column, texts in settings.get("blank_values", {}).items():
        for text in texts:
            words += ["--blank-value", f"{column}={text}" if column else text]
    tables = (
        ("--date-order", "date_orders"),
        ("--decimal", "decimals"),
        ("--options", "option_readings"),
        ("--timezone", "timezones"),
    )
    for option, name in tables:
        for column, value in settings.get(name, {}).items():
            words += [option, f"{column}={value}" if column else value]
    for option, name in (("--owner-map", "owner_map"), ("--values", "values")):
        if settings.get(name):
            words += [word for file in named.get(option, ()) for word in (option, file)]
    if settings.get("on_bad_value"):
        words += ["--on-bad-value", settings["on_bad_value"]]
    return [*words, *_writing_words(settings)]


def _writing_words(settings: Mapping[str, Any]) -> list[str]:
    """The options for what may be overwritten."""
    words = ["--write", settings["policy"]] if settings.get("policy") else []
    if (rule := settings.get("on_duplicate", OnDuplicate.IN_ORDER)) != OnDuplicate.IN_ORDER:
        words += ["--on-duplicate", rule]
    for column, policy in settings.get("policies", {}).items():
        words += [f"--{policy}", column]
    words += [f"--only-{settings['only_records']}"] if settings.get("only_records") else []
    return words + [f"--{name.replace('_', '-')}" for name in _FLAGS if settings.get(name)]


_FLAGS = ("skip_unchanged", "snapshot")


def _suppression_words(settings: Mapping[str, Any], named: Options) -> list[str]:
    """The options for suppression, constants and allowed properties."""
    words: list[str] = []
    if settings.get("suppress"):
        words += [word for name in named.get("--suppress", ()) for word in ("--suppress", name)]
    for column, values in settings.get("suppress_where", {}).items():
        for entry in [f"{column}={value}" for value in values] or [column]:
            words += ["--suppress-where", entry]
    words += ["--opt-outs", settings["opt_outs"]] if settings.get("opt_outs") else []
    for name, value in settings.get("set", {}).items():
        words += ["--set", f"{name}={value}"]
    for name in settings.get("allow", ()):
        words += ["--allow", name]
    return words
