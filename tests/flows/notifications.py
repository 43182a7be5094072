"""Notifications of failed runs, as a webhook of the test takes them."""

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator

from prefect.blocks.notifications import CustomWebhookNotificationBlock

from flows import notify


class Bodies(list[str]):
    """What was posted so far."""

    def wait(self, seconds: float = 30) -> None:
        """Until something was posted, and then a second for what should not be."""
        end = time.monotonic() + seconds
        while not self and time.monotonic() < end:
            time.sleep(0.2)
        time.sleep(1)


@contextlib.contextmanager
def received(name: str) -> Iterator[Bodies]:
    """Let the Prefect server of the settings report the failed runs of the deployments called ``name``."""
    bodies = Bodies()

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        CustomWebhookNotificationBlock.register_type_and_schema()
        block = CustomWebhookNotificationBlock(
            name="team", url=f"http://127.0.0.1:{server.server_port}", json_data={"text": "{{subject}}: {{body}}"}
        )
        block.save("team", overwrite=True)
        for _ in range(2):  # the second replaces the first
            notify.notify("custom-webhook/team", name)
        time.sleep(3)  # the server's triggers learn of it
        yield bodies
        server.shutdown()
