"""What Schemathesis is told beside its own checks."""

from typing import Any

import schemathesis


@schemathesis.hook
def map_query(_context: Any, query: dict[str, Any] | None) -> dict[str, Any] | None:
    """Nobody waits for what will not come: that is tested elsewhere, and takes seconds each time."""
    for name in ("min_position", "wait_ms"):
        (query or {}).pop(name, None)
    return query


@schemathesis.check
def no_fault(_context: Any, response: Any, _case: Any) -> None:
    """The service never fails: what it cannot do now is 503, in the envelope and with a reason."""
    if response.status_code < 500:
        return
    error = response.json().get("error", {})
    named = response.status_code == 503 and error.get("status") == "UNAVAILABLE" and error.get("details", [{}])[0].get("rule")
    assert named, f"{response.status_code}: {response.text[:300]}"
