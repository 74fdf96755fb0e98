"""Prints the result of each task and the play's counts as one JSON object.

ansible-core has no such callback of its own: "json" is in a collection of the package ansible.
"""

import json

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: report
    type: stdout
    short_description: one JSON object at the end of a play
    description: The result of each task for each host, and the counts of each host.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "report"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.tasks = []

    def _keep(self, outcome, result):
        # Public names since ansible-core 2.19; before it only the others.
        of = lambda name: getattr(result, name, None) or getattr(result, "_" + name)
        shown = {key: value for key, value in of("result").items() if not key.startswith("_ansible")}
        self.tasks.append({"task": of("task").get_name(), "host": of("host").get_name(), "outcome": outcome, "result": shown})

    def v2_runner_on_ok(self, result):
        self._keep("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._keep("failed", result)

    def v2_runner_on_skipped(self, result):
        self._keep("skipped", result)

    def v2_runner_on_unreachable(self, result):
        self._keep("unreachable", result)

    def v2_playbook_on_stats(self, stats):
        hosts = {host: stats.summarize(host) for host in stats.processed}
        print(json.dumps({"tasks": self.tasks, "stats": hosts}, default=str))
