"""The answers of the service, with examples, for OpenAPI."""

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    model: str = Field(
        description="The model that answered, with its version's number.", examples=["models:/wav2tok/3"]
    )
    identity: str = Field(
        description="Digest of the model's graph; strings of different identities do not compare.",
        examples=["cea5fe3cd8f6e67d"],
    )


class Tokens(BaseModel):
    """The token string of a recording."""

    name: str = Field(description="The name of the file, as it was sent.", examples=["query.flac"])
    duration_s: float = Field(description="Length in seconds.", examples=[0.48])
    tokens: list[int] = Field(description="Tokens without repeats.", examples=[[5, 7, 2]])
    times_s: list[float] = Field(description="When each token begins, in seconds.", examples=[[0.0, 0.128, 0.352]])


class Match(BaseModel):
    """A recording of the index."""

    path: str = Field(examples=["data/air_17/singer03_01.flac"])
    distance: float = Field(description="Normalised edit distance, 0 to 1.", examples=[0.21])
    expected_by_chance: float = Field(description="Recordings that would be as near by chance.", examples=[2e-6])
    start_s: float | None = Field(
        description="Where in a much longer recording the query is most like it, in seconds; else null.",
        examples=[12.4],
    )
    end_s: float | None = Field(description="The end of that place.", examples=[14.1])


class Matches(BaseModel):
    """What is nearest to a recording, best first."""

    name: str = Field(description="The name of the file, as it was sent.", examples=["query.flac"])
    duration_s: float = Field(description="Length in seconds.", examples=[0.48])
    matches: list[Match]


class TokenizeAnswer(_Answer):
    """One entry for each recording, in the order sent."""

    recordings: list[Tokens]


class SearchAnswer(_Answer):
    """One entry for each recording, in the order sent."""

    recordings: list[Matches]


class VersionAnswer(_Answer):
    """What runs."""

    wav2tok: str = Field(description="Version of the package.", examples=["0.1.0"])
    sample_rate: int = Field(description="Hz; recordings are converted to it.", examples=[16000])
    num_tokens: int = Field(description="Size of the codebook.", examples=[256])
    frame_seconds: float = Field(description="Seconds from one token to the next, before repeats go.", examples=[0.032])
    provider: str = Field(description="What computes.", examples=["CPUExecutionProvider"])
    index: str | None = Field(description="The index that /search uses.", examples=["index"])
    logs: str = Field(
        description="What is kept of searches whose senders agree: nothing, tokens or audio.", examples=["nothing"]
    )


class ReloadAnswer(_Answer):
    """What answers after a look at the registry."""

    changed: bool = Field(description="Whether the model or the index was replaced.", examples=[True])


class State(BaseModel):
    """Whether the service runs, or takes requests."""

    status: str = Field(examples=["ok"])


class Error(BaseModel):
    """Why a request was not done."""

    error: str = Field(
        description="One sentence.", examples=["query.txt cannot be read as audio (Format not recognised)."]
    )
    request_id: str = Field(description="Finds the request in the log.", examples=["f0c7bd3a9b1d4c3f8a8f0a4b7c1e2d3f"])
