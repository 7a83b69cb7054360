"""The settings of a job: one frozen value, checked in one place. Reading options or files is not done here.

Each section has its fields, their checks, and the parsers of their texts. Raise `SettingsError`.

columns          what columns mean, how values are spelled, which rows are suppressed
number_or_share  a number or a share, parsed for the options of several sections
opt_outs         what becomes of rows that say "opted out"
output           which files a job writes, and where
record_list      the list that records are put into
safety           the account, the canary, how many rows may fail
sign_in          the token, and where requests go
source           what is read, and in which format
speed            how fast requests are sent, and when a run waits or stops
write_policy     what may happen to records that HubSpot holds already
"""

from dataclasses import dataclass

from uploader.errors import SettingsError
from uploader.records.write_policy import Only
from uploader.settings.columns import ColumnSettings
from uploader.settings.output import OutputSettings
from uploader.settings.record_list import ListSettings
from uploader.settings.safety import SafetySettings
from uploader.settings.sign_in import SignInSettings
from uploader.settings.source import SourceSettings
from uploader.settings.speed import SpeedSettings
from uploader.settings.write_policy import WritePolicySettings
from uploader.system.supported_systems import refuse_unsupported_system


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(
    # Dataclass fields are collected from the last base to the first.
    SignInSettings,
    SpeedSettings,
    SafetySettings,
    WritePolicySettings,
    ListSettings,
    ColumnSettings,
    OutputSettings,
    SourceSettings,
):
    """All sections in one value. A function that needs only one section has that as parameter type.

    Only `Settings` is instantiated, not its sections: it has the slots (a class can't inherit from two
    classes with slots), and it checks the values.
    """

    def __post_init__(self) -> None:
        refuse_unsupported_system()
        # Where several settings are wrong, the first in this order is reported.
        self._check_sign_in()
        self._set_keys()
        self._check_version()
        self._check_names()
        self._check_delimiter()
        self._check_query()
        self._check_only_records()
        self._check_values()
        self._fold_translations()
        self._set_associations()
        self._check_suppression_and_constants()
        self._check_account_and_canary()
        self._check_speed()
        self._check_canary_wait()
        self._check_limit()
        self._check_list(self.object_type)
        self._check_sources()
        self._check_files()

    def _check_only_records(self) -> None:
        if self.only_records is Only.NEW and self.rules.is_by_own_id:
            raise SettingsError(
                "--only-new with --id-property id: a row by its id never creates a record, so no row would "
                "be written; remove one of them"
            )
