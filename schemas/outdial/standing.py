"""How targets stand: the words by which the numbers of an outdial and the lists behind them are told apart."""

from typing import Final, Literal, get_args

Standing = Literal["due_now", "due_later", "no_tries", "in_progress", "reached", "out_of_tries"]
"""Each target that is not deleted stands in one of these ways: of those that are idle, who would be called now, who when their wait is
over or their hours open, and to whom the plan in force gives no try."""
STANDINGS: Final[tuple[str, ...]] = get_args(Standing)
