"""The page of the words that say why something is not being dialed, made from the code."""

from typing import Final

from outdial.why import BEFORE_ANY_TARGET, PACE, REASONS

PAGE: Final = """# Why is it not being dialed?

Made by `make docs` from `schemas/outdial/why.py`. A word never changes its meaning; the sentence beside it may change.

Ask on the command line, over HTTP, or on Kafka:

```
outdial why OUTDIAL                      GET /v1.0/outdials/{{id}}/why
outdial why TARGET --outdial OUTDIAL     GET /v1.0/outdials/{{id}}/targets/{{target_id}}/why
                                         {{"type":"AskWhy","outdial_id":"...","target_id":"..."}}   (the answer is in `facts`)
outdial preflight OUTDIAL --tries 3,2    POST /v1.0/outdials/{{id}}/preflight
```

A question changes nothing and leaves no event. The ledger answers it against its own state, in its place among the commands, so the
answer is exact on both runtimes. Without a server the command line reads the log and answers from that; what only a prefix on a
suppression list holds is then not known before its turn has come.

## How to read the answer

- `rules` are the rules in the order they were looked at. `why` is the first that holds; null: none does, and the request is being made.
- `since`: since when it holds. `until`: when it lets go by itself, at the latest; "not yet": something has to happen first.
- `event`: the event it follows from, with its position in the log. A rule that was there from the start, or that is about many events,
  has none.
- `next_at`: the earliest time of the next request if nothing happens until then: no command, and no word about any call, so that open
  attempts are given up as lost when their leases end. Others that come back, fall due, or may no longer be called before may make it
  later; an entry of a suppression list that holds one of several destinations, and ends before, may make it earlier. Absent: no time
  alone brings one, or the target is too late by then.
- `facts` of a rule: the numbers it was decided by. `ahead` is how many that are due come before this target, 10,000 at most.

Of an outdial, `reasons` counts its targets by the word that holds each, with the next release. Every target stands in one row; who is
in none is being dialed. `due_now` and how many are not due, outside their hours or held by a cap come from the views at `position`, the
rest from the ledger. Targets that look alike to the plan are counted together.

The stats of an outdial have the same counts as `blocked`, from the views alone. These do not look at how often each outcome came: under a
`result_policy` or `retry_mode` result they may take a target for due whose wait is longer, and count it so only while the hours of every
destination it has a try at are open.

## The words

In the order the rules are looked at.

{words}

{before} hold every target that waits, whatever it waits for. {pace} hold those that are due and whose turn has not come: an outdial that
they hold is dialing, as fast as it may.

## Pre-flight

What a run would come to if it began now, under a plan that need not be in force: who would be dialed at once and who later, at which of
their destinations, who would not be and by which rule, and how long it takes at the most. The estimate assumes that every call rings for
the whole `dial_timeout` and nobody answers, and leaves out the waits between tries and the hours in which nobody may be called. How often
an address was called lately is not looked at; where the customer has frequency caps, a warning says so. Of the suppressed, `next_at` is
when the first of the entries ends that hold somebody.
"""


def page() -> str:
    """The whole page."""
    rows = ["| word | of a target | what lets go |", "| --- | --- | --- |"]
    rows += [f"| `{word}` | {reason.says} | {(reason.ends or 'nothing').rstrip(',')} |" for word, reason in REASONS.items()]
    return PAGE.format(words="\n".join(rows), before=_named(BEFORE_ANY_TARGET), pace=_named(PACE))


def _named(words: frozenset[str]) -> str:
    """Words one after another, in the order of the table."""
    found = [f"`{word}`" for word in REASONS if word in words]
    return f"{', '.join(found[:-1])} and {found[-1]}"
