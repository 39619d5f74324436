"""What holds for every test."""

from hypothesis import settings

# The machines of tests are shared; a slow moment is no failure. A failing example prints how to run it again.
settings.register_profile("tests", deadline=None, print_blob=True)
settings.load_profile("tests")
