"""Run the demonstration with a real model: `manage.py demo_live`."""

from typing import Any

from modelhub.demo import check_port, stop_signals
from modelhub.livedemo import HONESTLY, live_prepare
from modelhub.management.commands.demo import Command as DemoCommand
from modelhub.runs.recording import GOES_ON


class Command(DemoCommand):
    help = (
        "Fetch a small real model, tune it twice on this computer, with personas and without, as far as that is not "
        "done, and serve a study that both answer while people wait, until Ctrl-C. Data is kept between runs."
    )
    stopped = f"Stopped. {GOES_ON}"

    def handle(self, *args: Any, **options: Any) -> None:
        """Make what is missing and serve; raise CommandError with what stands in the way."""
        port, serving = options["port"], not options["no_serve"]
        if serving:
            check_port(port, "demo-live")
        demo = live_prepare(self._say)
        with stop_signals() as stop:
            self.stdout.write(f"\n{HONESTLY}")
            self.present(demo, port, serving, stop)

    def _say(self, text: str) -> None:
        self.stdout.write(f"== {text}")
        self.stdout.flush()
