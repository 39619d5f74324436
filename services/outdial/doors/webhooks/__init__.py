"""Sends what happens to where customers want it, signed: how one is sent in ``posting``, which and in what order in ``delivery``."""
