"""A custom check for schemathesis, which schemathesis.toml loads."""

import schemathesis


@schemathesis.check
def only_meaning_is_refused(ctx, response, case):
    """Fails if a request that the document allows is refused for its form instead of its meaning."""
    if case.meta is None or case.meta.generation.mode.is_negative or response.status_code != 400:
        return
    code = response.json()["code"]
    assert code != "schema_validation", f"the document allows this request, and it is refused: {response.text}"
