"""The loop that waits for answers: whatever they are, each item comes to one end."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from support.virtual_loop import run_virtual
from uploader.hubspot.replies import Reply
from uploader.hubspot.transport import Call
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.reply_verdict import classify_read
from uploader.pipeline.requests.attempts import Attempts, Judged, Piece, Task
from uploader.pipeline.requests.retry import (
    BATCH_ATTEMPTS,
    READING,
    RECORD_ATTEMPTS,
    Evidence,
    GiveUp,
    Next,
    backoff_seconds,
)
from uploader.pipeline.sender import OutOfDateError

_ANSWER, _FAILURE, _REFUSAL = Reply(200, readable=True), Reply(503, readable=True), Reply(400, readable=True)


class Server:
    """Answers what `reply` says of a request's items; `None` is the probe's."""

    def __init__(self, reply) -> None:
        self.requests: list[tuple[int, ...] | None] = []
        self.successes = self.write_successes = 0
        self.pauses: list[float] = []
        self._reply = reply

    async def send(self, call, *, note_in_flight, **_):
        note_in_flight(True)
        await asyncio.sleep(0.1)
        note_in_flight(False)
        items = None if call.path == "probe" else tuple(map(int, call.body.split()))
        self.requests.append(items)
        return self._reply(items)

    def succeeded(self, *, is_write):
        self.successes += 1
        self.write_successes += is_write

    def failed(self, reason, left_at, *, is_write):
        """Not looked at: what the run makes of it is the session's."""

    def act_on(self, verdict, patience, left_at):
        if patience(verdict) is None:
            raise StopRun(verdict.cause, verdict.reason)
        self.pauses.append(left_at)


class Numbers(Task[int]):
    """Numbers that are asked for, or written."""

    def __init__(self, rule: GiveUp) -> None:
        self.give_up_rule = rule
        self.ends: list[int] = []
        self.in_doubt: list[int] = []
        self.followed: list[Next] = []
        self.waits: list[float] = []

    def call(self, items):
        return Call("POST", "numbers", b" ".join(b"%d" % item for item in items))

    def probe(self, items):
        assert items
        return Call("POST", "probe")

    def judge(self, items, reply, history):
        verdict = classify_read(reply)
        return Judged(verdict, [] if verdict.action == "settle" else items)

    async def settle_attempt(self, attempt):
        self.followed.append(attempt.following)
        self.ends += set(attempt.items) - set(attempt.open)

    async def give_up(self, attempt):
        self.ends += attempt.open

    def note_in_doubt(self, items):
        self.in_doubt += items

    def note_wait(self, seconds):
        self.waits += [seconds] if seconds else []


def ask(server, task, *pieces, **more):
    """What is left of some items each. TimeoutError where there would be no end of asking."""

    async def run():
        async with asyncio.timeout(3_600):
            return await Attempts(server, lambda _: None, lambda: 0.5, **more).run(task, map(Piece, pieces))

    return run_virtual(run())


@given(st.sets(st.integers(0, 30)), st.integers(1, 30))
def test_each_item_comes_to_one_end_and_broken_ones_alone_are_given_up(broken, size):
    server = Server(lambda items: _FAILURE if items and broken.intersection(items) else _ANSWER)
    task = Numbers(READING)
    assert ask(server, task, range(size)) == []
    assert sorted(task.ends) == list(range(size))
    answered = [item for items in server.requests if items and not broken & set(items) for item in items]
    assert sorted(answered) == sorted(set(range(size)) - broken)


def test_halves_go_on_with_the_failures_of_the_whole():
    """The second failure of each shows that the server answers others."""
    server = Server(lambda items: _FAILURE if items and 0 in items else _ANSWER)
    ask(server, Numbers(READING), range(8))
    failed = Counter(len(items) for items in server.requests if items and 0 in items)
    assert failed == {8: BATCH_ATTEMPTS, 4: 2, 2: 2, 1: RECORD_ATTEMPTS - BATCH_ATTEMPTS + 1}


def test_only_what_an_answer_leaves_open_is_asked_again():
    """Each answers for its first item alone."""
    server, task = Server(lambda items: _FAILURE if items and len(items) > 1 else _ANSWER), Numbers(READING)
    task.judge = lambda items, reply, _: Judged(classify_read(reply), items[1:])
    assert ask(server, task, (1, 2, 3)) == []
    assert [items for items in server.requests if items] == [(1, 2, 3), (2, 3), (3,)]
    assert task.ends == [1, 2, 3]


def test_while_nothing_of_the_kind_is_answered_nothing_is_halved_or_given_up():
    server, task = Server(lambda _: _FAILURE), Numbers(READING)
    with pytest.raises(TimeoutError):
        ask(server, task, range(8))
    assert {items for items in server.requests if items} == {tuple(range(8))}
    assert (task.ends, set(task.followed)) == ([], {Next.AGAIN})


def test_what_waits_out_a_backoff_lets_others_pass_and_is_sent_again_after_it():
    server = Server(lambda items: _FAILURE if items == (1,) and len(server.requests) == 1 else _ANSWER)
    task = Numbers(READING)
    assert ask(server, task, [1], [2]) == []
    assert server.requests == [(1,), (2,), (1,)]
    answering = 0.1
    assert task.waits == [pytest.approx(backoff_seconds(1, 0.5) - answering, abs=1e-3)]


def test_too_large_batches_are_halved_before_they_are_sent_and_single_records_are_sent():
    server, task = Server(lambda _: _ANSWER), Numbers(READING)
    task.most_bytes = len(b"1 2")
    ask(server, task, [1, 2, 3, 4, 1000])
    assert server.requests == [(1, 2), (3,), (4,), (1000,)]


def test_a_question_that_may_be_left_open_is_asked_so_often_without_a_probe():
    server, task = Server(lambda _: _FAILURE), Numbers(GiveUp(Evidence.NONE, alone=4))
    ask(server, task, [7])
    assert (server.requests, task.ends) == ([(7,)] * 4, [7])


def test_a_refusal_of_all_stops_where_no_item_can_have_drawn_it():
    task = Numbers(READING)
    task.judge = lambda items, reply, _: Judged(
        classify_read(reply), items
    )  # of a 401: STOP, for want of patience
    with pytest.raises(StopRun) as stop:
        ask(Server(lambda _: Reply(401, readable=True, message="expired")), task, [1, 2])
    assert stop.value.cause is Cause.TOKEN


def test_a_reply_after_the_stop_is_settled_and_nothing_more_is_sent():
    server, task = Server(lambda items: _ANSWER if items == (1,) else _FAILURE), Numbers(READING)
    with pytest.raises(StopRun) as stop:
        ask(server, task, [1, 2], is_wanted=lambda: not server.requests)
    assert (stop.value.cause, server.requests) == (Cause.SIGNAL, [(1, 2)])
    assert task.followed == [Next.AGAIN]


@pytest.mark.parametrize(
    ("has_left", "is_refused", "in_doubt"),
    [(True, False, [1, 2]), (False, False, []), (True, True, [])],
    ids=["out", "waits for a permit", "refused for its token alone"],
)
def test_a_cancelled_worker_learns_what_may_have_arrived(has_left, is_refused, in_doubt):
    class Slow(Server):
        async def send(self, call, *, note_in_flight, may_resend, **_):
            if has_left:
                note_in_flight(True)
            if is_refused:
                note_in_flight(False)
                may_resend()
            await asyncio.sleep(1)

    task = Numbers(READING)

    async def run():
        asking = asyncio.ensure_future(Attempts(Slow(None), lambda _: None).run(task, [Piece([1, 2])]))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    run_virtual(run())
    assert task.in_doubt == in_doubt


def test_outdated_items_come_back_with_the_attempts_they_have_had():
    class Old(Server):
        async def send(self, call, **more):
            if len(self.requests) >= 3:
                raise OutOfDateError
            return await super().send(call, **more)

    task = Numbers(READING)
    left = ask(Old(lambda items: _FAILURE if items else _ANSWER), task, range(4), range(4, 8))
    assert sorted((tuple(piece.items), piece.history.failures) for piece in left) == [
        ((0, 1, 2, 3), 1),
        ((4, 5, 6, 7), 1),
    ]
    assert task.ends == []


def test_a_single_request_pauses_the_run_or_stops_it():
    async def run(server, patience):
        attempts = Attempts(server, lambda _: patience)
        await attempts.once(Call("POST", "numbers", b"1"), classify_read)

    throttled = Server(lambda _: Reply(429, readable=True))
    run_virtual(run(throttled, 1.0))
    assert len(throttled.pauses) == 1
    with pytest.raises(StopRun) as stop:
        run_virtual(run(Server(lambda _: Reply(401, readable=True)), None))
    assert stop.value.cause is Cause.TOKEN
