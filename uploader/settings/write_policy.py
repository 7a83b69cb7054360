"""Write policy settings: what may happen to records that HubSpot holds already."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from uploader.records.write_policy import Only, Policy, WritePolicy


@dataclass(frozen=True, kw_only=True)
class WritePolicySettings:
    __slots__ = ()  # `Settings` has them

    policy: Policy = Policy.OVERWRITE  #: for values that HubSpot has already
    policies: Mapping[str, Policy] = field(default_factory=dict)  #: by column
    only_records: Only = Only.ALL  #: which records are written
    skip_unchanged: bool = False
    snapshot: bool = False  #: save the former values of contacts

    @property
    def reads_first(self) -> bool:
        """Whether contacts are read before they are written."""
        return self.may_spare_rows or self.snapshot

    @property
    def may_spare_rows(self) -> bool:
        """Whether a row may turn out not to be written, once its contact is read."""
        rules = WritePolicy(self.policy, self.policies, self.only_records, self.skip_unchanged)
        return rules.needs_reading
