"""A check of our own for schemathesis, which schemathesis.toml names."""

import schemathesis


@schemathesis.check
def only_meaning_is_refused(ctx, response, case):
    """What the description allows is never refused for its form, but at most for what it means."""
    if case.meta is None or case.meta.generation.mode.is_negative or response.status_code != 400:
        return
    code = response.json()["code"]
    assert code != "schema_validation", f"the description allows this, and it is refused: {response.text}"
