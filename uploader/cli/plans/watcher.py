"""What is printed and asked while a plan runs: findings, a question, one display of the step at work."""

import asyncio
from collections.abc import Sequence

import click

from uploader.canary.assessment import Review
from uploader.check.report import Report
from uploader.check.run import Check
from uploader.cli.commands.check import show_check
from uploader.cli.commands.upload import (
    RunDisplay,
    can_ask,
    introduction,
    is_yes,
    judge_canary,
    lines_after,
)
from uploader.cli.logs import note_job, print_message
from uploader.cli.option_variables import say_settings
from uploader.cli.text.canary import kind_text, refusal_text
from uploader.cli.text.check.screen import brief
from uploader.cli.text.plan import (
    account_line,
    follow_up_text,
    links_in_plan_lines,
    outlook_line,
    step_ending,
    step_title,
)
from uploader.errors import SettingsError
from uploader.hubspot.account import Account
from uploader.jobs.summary import Summary
from uploader.jobs.upload import Run
from uploader.plans.ending import StepEnd
from uploader.plans.other_files import LinksInPlan
from uploader.plans.record import COMPLETE
from uploader.plans.run import Step


class Watcher:
    """Prints on stderr. `yes`: nothing is asked."""

    def __init__(self, plan: str, steps: Sequence[Step], *, yes: bool) -> None:
        self._plan = plan
        self._steps = steps
        self._yes = yes
        self._asks = all(can_ask(one.settings) for one in steps)
        self._display: RunDisplay | None = None
        self._checking: asyncio.Task[None] | None = None
        self._is_introduced = False
        self._are_rows_done = False  # of the step at work
        #: Of steps whose rows were all read by the check: their number, and that of the most frequent key.
        self._rows: dict[int, tuple[int, int]] = {}
        self._is_part = any(one.settings.limit is not None for one in steps)

    def _title(self, number: int) -> str:
        return step_title(number, len(self._steps), self._steps[number].name)

    async def checking(self, number: int, check: Check) -> None:
        self._introduce()
        self._checking = asyncio.ensure_future(show_check(check, f"checking {self._title(number)}"))

    async def checked(self, number: int, report: Report | None) -> None:
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)
        if report is not None and report.end is None:
            if report.sample is None:
                chain = report.workload.longest_chain if report.workload else 0
                self._rows[number] = report.findings.rows, chain
            first, *others = brief(report)
            print_message(f"{self._title(number)}: {first}")
            for line in others:
                print_message(f"  {line}")

    async def compared(self, found: Sequence[LinksInPlan]) -> None:
        for line in links_in_plan_lines(found, is_part=self._is_part):
            print_message(line)

    def _introduce(self) -> None:
        if not self._is_introduced:
            self._is_introduced = True
            say_settings(click.get_current_context())

    async def may_write(self, account: Account, reports: Sequence[tuple[Step, Report]]) -> bool:
        print_message(f"{self._plan} {account_line(account)}")
        for step, report in reports:
            print_message(_outlook(step, report))
        if self._yes or any(step.settings.portal for step, _ in reports) or not account.may_be_production:
            return True
        if not self._asks:
            raise SettingsError(refusal_text(account))
        name = account.portal or "unknown"
        return await is_yes(f"account {name} is {kind_text(account)}. Write these rows to it?")

    async def running(self, number: int, run: Run, *, are_rows_done: bool) -> None:
        self._introduce()
        self._are_rows_done = are_rows_done

        def introduce() -> None:
            note_job(run.job_id, run.account.portal)
            print_message(f"{self._title(number)}:{' links and the like' if are_rows_done else ''}")
            rows = self._rows.get(number, ())
            for line in introduction(run, *rows) if not are_rows_done else ():
                print_message(f"  {line}")

        self._display = RunDisplay(run, introduce, self._title(number))
        self._display.start()

    async def ran(self, number: int, run: Run, summary: Summary | None) -> None:
        if self._display is not None:
            await self._display.stop()
        if summary is None:
            return
        settings = run.settings
        end = StepEnd(self._steps[number].name, settings.object_type, "", "", summary, summary.exit_code)
        lines = lines_after(run, summary)
        before = run.finished_before
        if before is not None and not before.changed_settings:
            lines = lines[1:]  # that it is complete is said below
        for line in lines:
            print_message(f"{self._title(number)}: {line}")
        if (
            self._are_rows_done and summary.state == COMPLETE and summary.follow_ups
        ):  # the rows were said before
            texts = [follow_up_text(name, one.as_dict()) for name, one in summary.follow_ups.items()]
            print_message(f"{self._title(number)}: {'; '.join(texts)}")
        else:
            print_message(step_ending(self._title(number), end))

    async def judge(self, review: Review) -> bool:
        assert self._display is not None
        async with self._display.aside():
            return await judge_canary(review, self._display.object_type, asks=self._asks)


def _outlook(step: Step, report: Report) -> str:
    is_part = report.sample is not None and report.sample != step.settings.limit
    return outlook_line(step.name, report.findings.rows, step.settings, is_part=is_part)
