"""How many requests the upload will need, and how long they take."""

from uploader.associations.other_ends import is_searched
from uploader.check.report import Report, Workload
from uploader.hubspot.associations import MOST_LINKS
from uploader.hubspot.requests import MAX_INPUTS
from uploader.jobs.scans.link_values import LinkCounts
from uploader.jobs.session import Session
from uploader.model.records import OWN_ID
from uploader.pipeline.batcher import MAX_BATCH_BYTES
from uploader.pipeline.rate.forecast import Forecast, requests_by_halving, with_chain
from uploader.records.duplicates import OnDuplicate
from uploader.settings import Settings

#: Shares of rows that HubSpot may refuse, for a forecast without multi-status.
REFUSED_SHARES = (0.001, 0.01, 1.0)
#: The quota of private apps in larger subscriptions, assumed if the account could not be read.
_USUAL_PER_SECOND = 19.0


def workload_of(report: Report, settings: Settings, session: Session | None) -> Workload | None:
    """Batches, requests and time of the upload; None if no row can be sent."""
    found = report.findings
    if not found.sendable:
        return None
    sent, rule = found.sendable, settings.duplicate_rule
    if rule in {OnDuplicate.FIRST, OnDuplicate.LAST}:
        sent = max(1, sent - found.repeated_rows)
    bytes_sent = found.row_bytes * sent // max(1, found.rows)
    batches = max(-(-sent // MAX_INPUTS), -(-bytes_sent // MAX_BATCH_BYTES))
    searches = 2 * batches if settings.rules.is_searched else 0  # what is not there is searched twice
    reads = searches + (batches if settings.reads_first else 0)
    rest = reads + sum(map(_requests_for_links, report.links))
    searches += sum(_lookups(one) for one in report.links if is_searched(one.column))

    def forecast(requests: int) -> Forecast:
        if session is not None and report.quota is not None:
            return session.forecast(requests, searches=searches)
        seconds = requests / (settings.rate.per_second if settings.rate else _USUAL_PER_SECOND)
        return Forecast(requests, requests, None, None, 0, None, seconds)

    longest_chain = found.longest_chain if rule is OnDuplicate.IN_ORDER else 0
    per_batch = -(-sent // batches)
    return Workload(
        batches,
        longest_chain,
        with_chain(forecast(batches + rest), longest_chain),
        {
            share: with_chain(
                forecast(rest + round(batches * requests_by_halving(per_batch, share))), longest_chain
            )
            for share in REFUSED_SHARES
        },
    )


def _requests_for_links(one: LinkCounts) -> int:
    """Requests for the links of a column, and for the other records that its values name."""
    return _lookups(one) + 2 * -(-one.links // MOST_LINKS)  # what was there is read first


def _lookups(one: LinkCounts) -> int:
    return 0 if one.column.by == OWN_ID or one.column.results else -(-one.values // MAX_INPUTS)


def warn_of_record_limit(report: Report, settings: Settings) -> None:
    """Add a warning to the report if the account may not hold all rows."""
    if settings.rules.is_by_own_id:
        return  # no row creates a record
    record_limit, rows = report.closer.record_limit if report.closer else None, report.findings.sendable
    if record_limit is not None and record_limit.left < rows:
        report.warnings.append(
            f"the account can hold {record_limit.left:,} more records, and the file has {rows:,} rows: "
            "unless enough of them exist already, HubSpot will refuse the last ones"
        )
