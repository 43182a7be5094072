"""Requests that are not done: a status code and one sentence for the client."""

from http import HTTPStatus


class Refused(Exception):
    """A request that is refused.

    Attributes:
        status: the code of the answer.
        sentence: what is wrong and what to do, for the client.
        headers: of the answer, such as ``Retry-After``.
    """

    def __init__(self, status: HTTPStatus, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers or {}


def later(sentence: str) -> Refused:
    """The refusal of a request that can be sent again in a second."""
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, sentence, {"Retry-After": "1"})
