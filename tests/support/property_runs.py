"""Properties created and archived in virtual time: an account, a file of definitions, and runs with it."""

import asyncio
import json

from support.mock_transport import MockTransport, make_simulator
from support.programs import seams_to
from support.virtual_loop import run_virtual
from uploader.jobs.session import Seams
from uploader.properties.creation import Creation
from uploader.properties.creation_record import read_record
from uploader.properties.definitions_file import parse_definitions
from uploader.properties.removal import Removal
from uploader.properties.run import account_settings

ACCOUNT = "44237313"


def table(name, **more):
    fields = {"name": name, "label": f"Label {name}", "type": "string", "group": "contactinformation", **more}
    return "[[property]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items())


def toml(*names, object_type="contacts"):
    return f'object_type = "{object_type}"\n' + "\n".join(map(table, names))


class Case:
    """An account, a file of definitions, and runs that create and remove."""

    def __init__(self, folder, text, *, quota="190/10", **scenario):
        self.path = folder / "new.toml"
        self.path.write_text(text)
        self.record = folder / f"new.toml.{ACCOUNT}.created.json"
        self.simulator = make_simulator(quota=quota, **scenario)
        self.clock = 0.0
        self.asked = []
        self.sent = []

    def change_scenario(self, **scenario):
        self.simulator.change_scenario(make_simulator(**scenario).scenario)

    def _run(self, make, kill_after=None):
        async def run():
            loop = asyncio.get_running_loop()
            loop._jumping.now = self.clock
            transport = MockTransport(self.simulator)
            seams = seams_to(self.simulator)
            seams = Seams(lambda _: transport, seams.offload, seams.random_number, seams.wall_clock)
            task = asyncio.ensure_future(make(seams).run())
            if kill_after is not None:
                loop.call_later(kill_after, task.cancel)
            try:
                return await task
            except asyncio.CancelledError:
                return None
            finally:
                self.sent = transport.paths
                self.clock = loop.time() + 60.0

        return run_virtual(run())

    def create(self, *, approves=True, dry=False, kill_after=None, **settings):
        async def approve(plan):
            self.asked.append(plan)
            return approves

        file = parse_definitions(self.path.read_text())
        settings = account_settings(file.object_type, token="test-token", **settings)
        return self._run(
            lambda seams: Creation(settings, self.path, file, seams, approve=approve, dry=dry), kill_after
        )

    def remove(self, *, approve=None, dry=False, kill_after=None):
        record = read_record(self.record)
        settings = account_settings(record.object_type, token="test-token")
        return self._run(lambda seams: Removal(settings, record, seams, approve=approve, dry=dry), kill_after)

    def names(self, object_type="contacts"):
        account = self.simulator.account
        return set(account._store(object_type).catalogue.by_name)

    def states(self):
        return {name: entry.state.value for name, entry in read_record(self.record).entries.items()}
