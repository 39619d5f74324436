"""The contract explains a failed assertion as a test does."""

import pytest

pytest.register_assert_rewrite("runtimes.contract")
