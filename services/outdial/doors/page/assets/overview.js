// All outdials: which dial, and how far each is.

import { follow } from "./api.js";
import { newOutdial, newPlan, suppress } from "./actions.js";
import { Keyed, h, mark, say } from "./dom.js";
import { button, chip, jsonLink, number, stack } from "./parts.js";
import { STATES, percent, stateOf, verdict } from "./words.js";

export const PARTS = ["finished", "failed", "open", "waiting", "rest"];

/** How the targets of an outdial divide, in the order of PARTS. */
export function divided(stats) {
  const { finished, failed, dialing, answered } = stats.lifecycle;
  const open = dialing + answered;
  return [finished, failed, open, stats.waiting, Math.max(0, stats.total - finished - failed - open - stats.waiting)];
}

export function overview(page) {
  const rows = h("ol", { class: "outdials" });
  const empty = h("div", { class: "empty", hidden: true }, h("h2", {}, "No outdials yet"), h("p", {}, "An outdial is a list of people to reach. Make one, drop a CSV file on it, choose a plan, start."));
  const filter = h("input", { type: "search", placeholder: "Filter by name", "aria-label": "Filter by name", "data-search": true });
  const total = h("p", { class: "note" });
  const wanted = () => filter.value.trim().toLowerCase();
  const shown = new Map();
  let order = [];

  const keyed = new Keyed(rows, makeRow, updateRow);
  const show = () => {
    const found = order.map((id) => shown.get(id)).filter((row) => row && row.outdial.name.toLowerCase().includes(wanted()));
    keyed.show(found, (row) => row.outdial.id);
    empty.hidden = order.length > 0;
    say(total, order.length ? `${found.length === order.length ? "" : `${found.length} of `}${order.length === 100 ? "the newest 100" : order.length}` : "");
  };
  filter.addEventListener("input", show);

  page.main.replaceChildren(
    h(
      "div",
      { class: "title" },
      h("h1", {}, "Outdials"),
      total,
      h("span", { class: "grow" }),
      filter,
      button("Do not call", { title: "Suppress a number: no call to it is requested any more", onclick: () => suppress() }),
      button("New plan", { onclick: () => newPlan() }),
      button("New outdial", { kind: "primary", sign: "+", onclick: () => newOutdial(page) }),
    ),
    rows,
    empty,
    h("p", { class: "foot" }, jsonLink("/v1.0/outdials?time=iso", "All outdials"), " · whom not to call ", jsonLink("/v1.0/suppressions?time=iso", "Whom not to call"), " · ", h("a", { href: "/docs" }, "HTTP interface")),
  );
  page.titled("Outdials");
  return follow(
    "/v1.0/live",
    (message) => {
      const { order: next, position, at, behind_ms, late, ...changed } = message;
      for (const [id, row] of Object.entries(changed)) shown.set(id, row);
      if (next) order = next;
      show();
    },
    page.freshness,
  );
}

function makeRow({ outdial }) {
  const href = `/v1.0/outdials/${outdial.id}/stats?time=iso`;
  const state = chip();
  const name = h("a", { class: "name", href: `/outdials/${outdial.id}` });
  const says = h("p", { class: "says" });
  const bar = stack(PARTS);
  const share = h("span", { class: "share" });
  const numbers = {
    total: number(href, "total", "Targets"),
    finished: number(href, "lifecycle.finished", "Reached"),
    failed: number(href, "lifecycle.failed", "Out of tries"),
    open: number(href, "open_attempts", "Calls open"),
    due: number(href, "due_now", "Due now"),
  };
  const labels = { total: "targets", finished: "reached", failed: "out of tries", open: "calls open", due: "due now" };
  const element = h(
    "li",
    { "data-item": true },
    h("div", { class: "who" }, state.element, h("div", {}, name, says)),
    h("div", { class: "progress" }, bar.element, share),
    h("dl", { class: "figures" }, Object.entries(numbers).map(([key, one]) => h("div", {}, h("dt", {}, labels[key]), h("dd", {}, one.element)))),
  );
  return { element, state, name, says, bar, share, numbers };
}

function updateRow(row, { outdial, stats }) {
  const dialing = { status: stats.dialing, paused: stats.paused, draining: stats.draining, run: stats.requested || stats.dialing === "run" ? 1 : 0 };
  const told = verdict({ outdial, dialing, stats });
  say(row.name, outdial.name || "(no name)");
  row.state.set(stateOf(dialing));
  say(row.says, `${told.lead} ${told.rest}`);
  mark(row.element, "data-tone", (STATES[stats.dialing] || STATES.stop).tone);
  row.bar.set(divided(stats), stats.total);
  say(row.share, `${percent(stats.lifecycle.finished + stats.lifecycle.failed, stats.total)} done`);
  row.numbers.total.set(stats.total);
  row.numbers.finished.set(stats.lifecycle.finished);
  row.numbers.failed.set(stats.lifecycle.failed);
  row.numbers.open.set(stats.open_attempts);
  row.numbers.due.set(stats.due_now);
}
