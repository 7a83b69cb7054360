"""Which values of a record are written, given what HubSpot holds of its contact.

In    what the record asks for, what HubSpot holds (None: there is no such contact), the user's rules, the
      spellings in which this account is known to store values.
Out   a `Decision`: the values to send with the change each makes, or the outcome of a row that is not sent.
Raise nothing.
Rules A value that HubSpot already holds, in whatever spelling, is the same. A value that HubSpot might take
      is sent, even if its own rules make that unlikely. A row with nothing to send is `unchanged`. A row in
      doubt is `updated` instead, unless HubSpot holds none of its values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from uploader.hubspot.schema import Kind
from uploader.model.outcomes import Outcome
from uploader.records.values.compare import Match, compare
from uploader.records.values.respellings import Respellings


class Policy(StrEnum):
    """What may happen to a value that HubSpot holds."""

    OVERWRITE = "overwrite"
    FILL = "fill"  #: nothing: a value is written only if there is none
    CREATE_ONLY = "create-only"  #: nothing: a value is written only with a new contact


class Only(StrEnum):
    """Which contacts are written at all."""

    ALL = ""
    EXISTING = "existing"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class WritePolicy:
    """The user's rules for values that HubSpot holds."""

    policy: Policy = Policy.OVERWRITE
    by_property: Mapping[str, Policy] = field(default_factory=dict)  #: exceptions
    only: Only = Only.ALL
    skip_unchanged: bool = False  #: values that HubSpot already holds are not sent

    def of(self, name: str) -> Policy:
        return self.by_property.get(name, self.policy)

    @property
    def needs_reading(self) -> bool:
        """Whether a contact has to be read before it is written."""
        spares = {self.policy, *self.by_property.values()} != {Policy.OVERWRITE}
        return spares or self.skip_unchanged or self.only is not Only.ALL


class Change(StrEnum):
    """What a row does to one value."""

    SET = "set"  #: there was none
    OVERWRITTEN = "overwritten"
    CLEARED = "cleared"
    SAME = "unchanged"
    PRESERVED = "spared"  #: not sent: an option preserves HubSpot's value
    KEPT = "kept"  #: sent, and HubSpot may keep its own value, by a rule of its own


@dataclass(frozen=True, slots=True)
class Decision:
    properties: Mapping[str, str]  #: to be sent
    changes: Mapping[str, Change]  #: of each property the row asks for
    outcome: Outcome | None = None  #: of a row that is not sent
    reason: str = ""  #: of a skipped one


def decide(
    wanted: Mapping[str, str],
    held: Mapping[str, object] | None,
    rules: WritePolicy,
    kinds: Mapping[str, Kind],
    respellings: Respellings,
    *,
    in_doubt: bool = False,
) -> Decision:
    """Return what to send and what each value changes. `in_doubt`: the row may have been written before,
    without a definite answer.
    """
    if held is None:
        return _for_new(wanted, rules)
    changes = {
        name: _change(name, text, held, rules, kinds, respellings=respellings)
        for name, text in wanted.items()
    }
    if rules.only is Only.NEW and not (in_doubt and set(changes.values()) <= {Change.SAME}):
        reason = "the contact exists (--only-new)"
        return Decision({}, dict.fromkeys(changes, Change.PRESERVED), Outcome.SKIPPED, reason)
    sent = {name: text for name, text in wanted.items() if _is_sent(name, changes[name], rules)}
    if sent and rules.only is not Only.NEW:
        return Decision(sent, changes)
    # Some values may have been left alone from the start. Where all are another's, none of ours is there.
    may_be_ours = in_doubt and set(changes.values()) != {Change.PRESERVED}
    return Decision({}, changes, Outcome.UPDATED if may_be_ours else Outcome.UNCHANGED)


_SENT = frozenset({Change.SET, Change.OVERWRITTEN, Change.CLEARED, Change.KEPT})


def _is_sent(name: str, change: Change, rules: WritePolicy) -> bool:
    if change in _SENT:
        return True
    # An equal value is still sent, and makes an entry in its history, unless the user chose --skip-unchanged.
    return change is not Change.PRESERVED and rules.of(name) is Policy.OVERWRITE and not rules.skip_unchanged


def _for_new(wanted: Mapping[str, str], rules: WritePolicy) -> Decision:
    if rules.only is Only.EXISTING:
        reason = "there is no such contact (--only-existing)"
        return Decision({}, dict.fromkeys(wanted, Change.PRESERVED), Outcome.SKIPPED, reason)
    changes = {name: Change.SET if text else Change.SAME for name, text in wanted.items()}
    return Decision(wanted, changes)


def _change(
    name: str,
    wanted: str,
    held: Mapping[str, object],
    rules: WritePolicy,
    kinds: Mapping[str, Kind],
    *,
    respellings: Respellings,
) -> Change:
    there = text if isinstance(text := held.get(name), str) else ""
    kind = kinds.get(name, Kind())
    comparison = compare(name, kind, wanted, there)
    if comparison.is_same or respellings.gives(name, kind, wanted, there):
        return Change.SAME
    policy = rules.of(name)
    if policy is Policy.CREATE_ONLY or (policy is Policy.FILL and there):
        return Change.PRESERVED
    if comparison.match is Match.EXPLAINED:
        return Change.KEPT
    if not wanted:
        return Change.CLEARED
    return Change.OVERWRITTEN if there else Change.SET
