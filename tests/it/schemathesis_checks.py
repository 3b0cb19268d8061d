"""A custom check and the login for schemathesis, which schemathesis.toml loads."""

import os

import requests
import schemathesis


@schemathesis.auth(refresh_interval=None)
class NewSession:
    """Logs in before each request: the calls for the own account end sessions."""

    def get(self, case, context):
        credentials = {"email": os.environ["EMAIL"], "password": os.environ["PASSWORD"]}
        answer = requests.post(os.environ["LOGIN_URL"], json=credentials, timeout=20)
        return answer.json()["token"]

    def set(self, case, token, context):
        case.headers["Authorization"] = f"Bearer {token}"


@schemathesis.check
def only_meaning_is_refused(ctx, response, case):
    """Fails if a request that the document allows is refused for its form instead of its meaning."""
    if case.meta is None or case.meta.generation.mode.is_negative or response.status_code != 400:
        return
    code = response.json()["code"]
    assert code != "schema_validation", f"the document allows this request, and it is refused: {response.text}"
