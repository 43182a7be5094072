"""What the service publishes about itself holds for 2,000 generated requests: answers as declared, no server error."""

from collections import Counter

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.service.servers import service

CASES = 2000
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.slow
@pytest.mark.services
def test_generated_requests(tmp_path, graph, index, tiny_corpus):
    recording = (tiny_corpus / "fall" / "eva_0.flac").read_bytes()
    for form in ("audio/flac", "audio/wav", "audio/ogg", "audio/mpeg", "application/octet-stream"):
        schemathesis.openapi.media_type(form, st.binary(max_size=200) | st.just(recording))
    with service(tmp_path, "--model", graph, "--index", index) as running, requests.Session() as session:
        schema = schemathesis.openapi.from_url(f"{running.url}/openapi.json")
        operations = [result.ok() for result in schema.get_all_operations()]
        assert len(operations) == 7
        requested = st.sampled_from([(operation, mode) for operation in operations for mode in GenerationMode])
        seen: Counter[tuple[str, int]] = Counter()

        @given(requested.flatmap(lambda pair: pair[0].as_strategy(generation_mode=pair[1])))
        @settings(max_examples=CASES, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None)
        def ask(case):
            response = case.call(session=session)
            seen[case.path, response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        ask()
        assert running.stop() == 0
        assert "Traceback" not in running.log.read_text()
    assert sum(seen.values()) >= CASES
    # It went beyond the door: recordings were tokenized and searched for, and bad ones refused.
    assert {("/tokenize", 200), ("/search", 200), ("/tokenize", 422), ("/search", 422)} <= set(seen)
