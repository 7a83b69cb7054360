"""Answers the endpoints of associations: read, link, unlink, labels and limits. No I/O."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from uploader.mockserver.account.associations import replies, requests
from uploader.mockserver.account.associations.definitions import (
    HUBSPOT,
    MOST_LABELS,
    AssociationType,
    Definitions,
)
from uploader.mockserver.account.associations.links import LimitCheck, Link, Links
from uploader.mockserver.account.associations.requests import LinkInput
from uploader.mockserver.account.associations.targets import Target, find_target, known_target
from uploader.mockserver.account.exchange import Exchange
from uploader.mockserver.account.late_writes import LateWrites
from uploader.mockserver.account.object_store import ObjectStore
from uploader.mockserver.account.store import Record
from uploader.mockserver.bodies import batch_reply, error_bodies
from uploader.mockserver.bodies.batch_request import read_object
from uploader.mockserver.bodies.error_bodies import Answer
from uploader.mockserver.faults.scenario import BatchStatus, Scenario


class AssociationEndpoints:
    """The associations of one account."""

    def __init__(
        self,
        stores: Mapping[str, ObjectStore],
        definitions: Definitions,
        links: Links,
        late: LateWrites,
        *,
        shuffle: Callable[[list[Any]], None],
    ) -> None:
        """`shuffle`: HubSpot's order of results."""
        self._stores = stores
        self._definitions = definitions
        self._links = links
        self._late = late
        self._shuffle = shuffle

    def change_scenario(self, scenario: Scenario) -> None:
        self._definitions.change_scenario(scenario.association_labels, scenario.association_limits)

    # by the tests' own requests

    def change(self, add: Iterable[Mapping[str, Any]], remove: Iterable[Mapping[str, Any]]) -> None:
        """Add and remove links unchecked, each as {"from": RECORD, "to": RECORD, "label": "Primary"}, where a
        record is its type and id or unique value. With a label, only that is removed. ValueError for an
        unknown record, type or label.
        """
        for one in remove:
            link = self._named(one)
            if link.types:
                self._links.remove_types(link)
            else:
                self._links.remove(link)
        for one in add:
            self._links.add(self._named(one))

    def associate(self, store: ObjectStore, link: Mapping[str, Any]) -> None:
        """Link a record with others, which need not exist: {"id": "1", "to": "notes", "ids": [1]}."""
        record = store.known({name: one for name, one in link.items() if name not in ("to", "ids")})
        to = known_target(link.get("to")).name
        for to_id in link.get("ids", ()):
            self._links.add(self._checked(Link(store.kind.name, record.id, to, int(str(to_id)), ())))

    def has_any(self, store: ObjectStore, record: Record, to: str) -> bool:
        return bool(self._links.held(store.kind.name, record.id, to))

    def _named(self, one: Mapping[str, Any]) -> Link:
        (of, from_id), (to, to_id) = self._end(one["from"]), self._end(one["to"])
        label = one.get("label")
        type_ = self._definitions.labelled(of, to, label) if label else None
        if label and type_ is None:
            raise ValueError(f"{of} and {to} have no association label {label!r}")
        return self._checked(Link(of, from_id, to, to_id, (type_,) if type_ else ()))

    def _end(self, named: Mapping[str, Any]) -> tuple[str, int]:
        name = known_target(named.get("type")).name
        if name in self._stores:
            return name, self._stores[name].known(named).id
        return name, int(str(named["id"]))

    def _checked(self, link: Link) -> Link:
        if not self._definitions.between(link.of, link.to):
            raise ValueError(f"there is no association type from {link.of} to {link.to}")
        return link

    def shown(self) -> Iterable[dict[str, Any]]:
        """All links, each once."""
        for link in self._links:
            yield {
                "from": {"type": link.of, "id": str(link.from_id)},
                "to": {"type": link.to, "id": str(link.to_id)},
                "types": [str(one) for one in link.types],
                "labels": [one.label for one in link.types if one.label is not None],
            }

    # by clients

    def answer(self, store: ObjectStore, exchange: Exchange) -> Answer:  # noqa: PLR0911  # a table
        target = find_target(exchange.route.target)
        if target is None:
            return error_bodies.unknown_object_type(exchange.route.target)
        of, to = store.kind.name, target.name
        match exchange.route.endpoint:
            case "associations":
                return self._read(store, target, exchange)
            case "associate" | "associate_default":
                return self._associate(store, target, exchange)
            case "dissociate" | "end_labels":
                return self._dissociate(store, target, exchange)
            case "association_limits":
                return replies.limits(of, to, self._definitions)
            case "create_association_label":
                return self._define(of, to, exchange)
            case "archive_association_label":
                return self._archive_label(of, to, exchange)
        return replies.definitions(self._definitions.between(of, to))

    def _read(self, store: ObjectStore, target: Target, exchange: Exchange) -> Answer:
        document = read_object(exchange.request.body)
        inputs = document if isinstance(document, Answer) else requests.read_sources(document)
        if isinstance(inputs, Answer):
            return inputs
        rejected = exchange.rejected([one for one, _ in inputs])
        results, errors = [], []
        for record_id, after in inputs:
            if record_id in rejected:
                continue
            record = store.live(record_id)
            held = self._links.held(store.kind.name, record.id, target.name) if record is not None else {}
            result = replies.associated(record_id, held, after)
            if result is None:
                errors.append(replies.none_found(record_id, store.kind, target))
            else:
                results.append(result)
        errors += batch_reply.unread(rejected, "fromObjectId")
        body = exchange.batch(results)
        if errors:
            body |= {"numErrors": len(errors), "errors": errors}
        return Answer(207 if errors else 200, body)

    def _associate(self, store: ObjectStore, target: Target, exchange: Exchange) -> Answer:
        """Each link by itself: written, or an error of its own."""
        if isinstance(exchange.links, Answer):
            return exchange.links
        is_default = exchange.route.endpoint == "associate_default"
        unlabelled = self._definitions.unlabelled(store.kind.name, target.name)
        if is_default and (unlabelled is None or unlabelled.category != HUBSPOT):
            text = f"There is no default association type from {store.kind.type_id} to {target.type_id}"
            return error_bodies.error(400, text, "VALIDATION_ERROR")
        accepted: list[Link] = []
        errors: list[dict[str, Any]] = []
        limits = LimitCheck(self._links, self._definitions)
        for place, one in enumerate(exchange.links):
            ordered = (exchange.faults.rejections or {}).get(place)
            if ordered is not None:
                errors.append(replies.refused(one, {}, ordered.category, ordered.message))
                continue
            judged = self._judge(store, target, one, limits)
            if isinstance(judged, Link):
                accepted.append(judged._replace(types=(unlabelled,)) if is_default and unlabelled else judged)
            elif exchange.faults.rules.link_errors == "batch":
                return replies.refused_batch(judged)
            else:
                errors.append(replies.refused(one, judged))
        return self._linked(store, target, exchange, accepted, errors)

    def _judge(
        self, store: ObjectStore, target: Target, one: LinkInput, limits: LimitCheck
    ) -> Link | dict[str, list[str]]:
        """The link, or the context of its error."""
        of, to = store.kind.name, target.name
        found = {spec: self._definitions.find(of, to, *spec) for spec in one.types}
        if unknown := [spec for spec, type_ in found.items() if type_ is None]:
            return replies.invalid_types(unknown)
        here = store.live(one.from_id)
        there = self._stores[to].live(one.to_id) if to in self._stores else None
        # Activities have no records here: any id will do.
        to_id = there.id if there is not None else int(one.to_id) if one.to_id.isdecimal() else None
        absent = [] if here is not None else [(store.kind.singular, one.from_id)]
        if to_id is None or (there is None and to in self._stores):
            absent.append((target.singular, one.to_id))
        if absent or here is None or to_id is None:
            return replies.invalid_ids(absent)
        link = Link(of, here.id, to, to_id, tuple(type_ for type_ in found.values() if type_ is not None))
        reason = limits.refuse(link)
        return replies.beyond_limit(reason) if reason else link

    def _linked(
        self,
        store: ObjectStore,
        target: Target,
        exchange: Exchange,
        accepted: Sequence[Link],
        errors: Sequence[dict[str, Any]],
    ) -> Answer:
        """Write the links that were accepted, as far as the faults let them be, and answer."""
        failure = exchange.faults.failure
        shown, kept_back = accepted, accepted[:0]
        if isinstance(failure, BatchStatus):
            count = int(len(accepted) * failure.results_share)
            shown, kept_back = accepted[:count], accepted[count:]
        elif failure is not None and not failure.applied:
            shown, kept_back = accepted[:0], accepted
        self._add(shown)
        self._late.write(exchange, lambda _: self._add(kept_back))
        results: list[dict[str, Any]] = []
        for link in shown:
            if exchange.route.endpoint == "associate_default":
                opposite = self._definitions.opposite(link.of, link.to, link.types[0])
                results += replies.linked_by_default(link, opposite)
            else:
                held = self._links.held(link.of, link.from_id, link.to)[link.to_id]
                results.append(replies.linked(link, held, store.kind, target))
        if exchange.faults.rules.results_order == "shuffled":
            self._shuffle(results)
        body = exchange.batch(results)
        if errors:
            replies.add_errors(body, errors, exchange.faults.rules)
        return Answer(_status(exchange, has_errors=bool(errors)), body)

    def _add(self, links: Iterable[Link]) -> None:
        for link in links:
            self._links.add(link)

    def _dissociate(self, store: ObjectStore, target: Target, exchange: Exchange) -> Answer:
        """Links that are not there are no error."""
        if isinstance(exchange.links, Answer):
            return exchange.links
        of, to = store.kind.name, target.name
        links: list[Link] = []
        for one in exchange.links:
            found = {spec: self._definitions.find(of, to, *spec) for spec in one.types}
            if unknown := [spec for spec, type_ in found.items() if type_ is None]:
                return replies.refused_batch(replies.invalid_types(unknown))
            if one.from_id.isdecimal() and one.to_id.isdecimal():
                types = tuple(type_ for type_ in found.values() if type_ is not None)
                links.append(Link(of, int(one.from_id), to, int(one.to_id), types))
        end = self._links.remove_types if exchange.route.endpoint == "end_labels" else self._links.remove

        def write(_: str) -> None:
            for link in links:
                end(link)

        self._late.write(exchange, write)
        # The dated paths answer with a batch, as their schemas say.
        return Answer(204, b"") if exchange.route.version == "v4" else Answer(200, exchange.batch([]))

    def _define(self, of: str, to: str, exchange: Exchange) -> Answer:
        document = read_object(exchange.request.body)
        asked = document if isinstance(document, Answer) else requests.read_label(document)
        if isinstance(asked, Answer):
            return asked
        name, label, inverse = asked
        known = self._definitions.between(of, to)
        if any(one.label == label or (one.name and one.name == name) for one in known):
            text = f"An association label named '{label}' already exists."
            return error_bodies.error(400, text, "VALIDATION_ERROR")
        if sum(one.category != HUBSPOT and one.label is not None for one in known) >= MOST_LABELS:
            text = f"The limit of {MOST_LABELS} association labels is reached."
            return error_bodies.error(400, text, "VALIDATION_ERROR")
        made: list[AssociationType] = []
        self._late.write(
            exchange, lambda _: made.extend(self._definitions.define(of, to, label, inverse, name))
        )
        return replies.definitions(made)

    def _archive_label(self, of: str, to: str, exchange: Exchange) -> Answer:
        known = self._definitions.between(of, to)
        found = next((one for one in known if str(one.id) == exchange.route.item and one.name), None)
        if found is not None:
            self._late.write(exchange, lambda _: self._end_label(of, to, found))
        return Answer(204, b"")

    def _end_label(self, of: str, to: str, type_: AssociationType) -> None:
        self._links.end_type(of, to, type_)
        self._definitions.archive(of, to, type_)


def _status(exchange: Exchange, *, has_errors: bool) -> int:
    """By the schemas, a label's links are created (201), errors are a 207, and those of the default type are
    listed in the 200. In practice a 200 took the place of the 201, and errors are a 207.
    """
    is_default = exchange.route.endpoint == "associate_default"
    if exchange.faults.rules.link_statuses == "documented":
        return 200 if is_default else 207 if has_errors else 201
    return 207 if has_errors else 200
