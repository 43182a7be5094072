"""Run the service: an address, uvicorn, and a graceful end."""

import socket
import webbrowser
from types import FrameType

import uvicorn

from wav2tok.errors import UserError, reason
from wav2tok.progress import log
from wav2tok.service.app import create_app
from wav2tok.service.engine import Engine
from wav2tok.service.memory import give_back_large_blocks
from wav2tok.service.settings import Settings


class _Server(uvicorn.Server):
    """Says when it is ready. After SIGTERM or Ctrl-C it takes no more work and ends once what it has is done.

    A second signal ends it at once.
    """

    def __init__(self, config: uvicorn.Config, engine: Engine, url: str, show: bool) -> None:
        super().__init__(config)
        self._engine, self._url, self._show, self._announced = engine, url, show, False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._engine.stopping:
            self.should_exit = self.force_exit = True
        self._engine.stopping = True

    async def on_tick(self, counter: int) -> bool:
        engine = self._engine
        if not self._announced and engine.models.current is not None:
            tokenizer = engine.models.current.tokenizer
            log.info(f"{tokenizer.source} answers at {self._url} ({tokenizer.provider})")
            self._announced = True
            if engine.settings.recordings is not None:
                log.info(f"open {self._url} in a browser to search {engine.settings.recordings}; Ctrl-C ends it")
            if self._show:
                webbrowser.open(self._url)
        if engine.models.failure is not None or (engine.stopping and not engine.active):
            self.should_exit = True
        return await super().on_tick(counter)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at an address; port 0 takes a free one.

    Raises:
        UserError: the address is not of this machine, or in use.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, OverflowError) as error:
        raise UserError(f"{host} port {port} cannot be used ({reason(error)}); name another.", "port") from None
    return listening


def serve(settings: Settings, port: int, show: bool = False) -> None:
    """Run the service until SIGTERM or Ctrl-C; prints its address and model once it is ready.

    Args:
        show: whether its page is opened in a browser then.

    Raises:
        UserError: the address cannot be used, or the model cannot be loaded.
    """
    give_back_large_blocks()
    with listen(settings.host, port) as listening:
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        app = create_app(settings)
        engine: Engine = app.state.engine
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_keep_alive=75,
        )
        _Server(config, engine, f"http://{name}:{listening.getsockname()[1]}", show).run([listening])
    if engine.models.failure is not None:
        raise engine.models.failure
