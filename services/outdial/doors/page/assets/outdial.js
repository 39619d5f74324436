// One outdial: the verdict first, then how far it is, what holds it, how fast it goes, and what happened.

import { follow, get } from "./api.js";
import { commands, importing, setDialing, start, suppress } from "./actions.js";
import { chart } from "./chart.js";
import { REASONED, changesOf, difference, planChanges, planFacts, planOrigin, told } from "./events.js";
import { Keyed, h, mark, say } from "./dom.js";
import { timeBar } from "./past.js";
import { attempt, button, card, chip, jsonLink, number, scroller, stack } from "./parts.js";
import { OUTCOMES, count, dated, everywhere, instant, masked, minute, otherDay, outcomeWord, percent, plural, shortId, span, stateOf, verdict } from "./words.js";
import { PARTS, divided } from "./overview.js";

const SLOW_MS = 5000;
const WHY_MS = 1000;
const FEED_ROWS = 200;
const MINUTES = [[15, "15 min"], [60, "1 h"], [360, "6 h"], [1440, "24 h"]];

export function outdial(page, id) {
  const base = `/v1.0/outdials/${id}`;
  const at = new URLSearchParams(location.search).get("at");
  const then = (wanted) => `${base}/past?time=iso&at=${encodeURIComponent(at)}&minutes=${wanted}`;
  const source = (part, path) => (at ? { href: then(15), part } : { href: `${base}/${path}` });
  const from = {
    stats: source("stats", "stats?time=iso"),
    dialing: source("dialing", "dialing?time=iso"),
    open: source("open_attempts", "open_attempts?time=iso"),
    calendar: source("calendar", "calendar?time=iso"),
    results: source("results", "yield"),
    most: source("most_called", "most_called"),
    pace: { href: "/v1.0/pace" },
    why: at ? source("stats") : { href: `${base}/why?time=iso` },
  };
  const seen = { outdial: null, dialing: null, stats: null, activity: null, open: null, why: null, at: Date.now(), shown: page.numbersShown };
  let minutes = 15;
  let stop = () => {};

  const head = header(page, id, seen, at, () => askWhy(true));
  const bar = at ? timeBar(page, `/outdials/${id}`, at) : null;
  const steps = funnel(id, from, at ? `${base}/stats?time=iso` : null);
  const limits = { plan: [from.dialing, "plan.calls_per_second"], ...(at ? {} : { customer: [from.pace, "calls_per_second"] }) };
  const pace = chart((wanted) => (at ? { href: then(wanted), part: "activity" } : `${base}/activity?time=iso&minutes=${wanted}`), limits);
  const blocked = blockedBy(from);
  const open = openAttempts(id, from, page, seen);
  const feed = activityFeed(id, base);
  const calendar = retryCalendar(from);
  const yields = yieldTables(from);
  const plan = planInForce();
  const strip = compliance(from);
  const drop = h("div", {});
  const letGo = at ? () => {} : importing(id, drop, page.main);
  const adding = card("Add people", {}, drop);
  const range = h(
    "span",
    { class: "choice", role: "group", "aria-label": "Time shown" },
    MINUTES.map(([wanted, label]) =>
      h("button", { type: "button", "aria-pressed": String(wanted === minutes), onclick: (event) => {
        minutes = wanted;
        for (const one of range.children) mark(one, "aria-pressed", String(one === event.currentTarget));
        listen();
      } }, label),
    ),
  );

  page.main.replaceChildren(
    head.element,
    bar ? bar.element : "",
    steps.element,
    h(
      "div",
      { class: "columns" },
      h(
        "div",
        {},
        card("Pace", { kind: "first", more: [range], note: "a minute, by the ledger's clock" }, pace.element),
        card("Calls in progress", { more: [open.total, jsonLink(from.open, "Open attempts")] }, open.element),
        card("Falling due", { note: "targets per quarter of an hour", more: [jsonLink(from.calendar, "Calendar")] }, calendar.element),
        card("What tries yield", { note: "answered, of the attempts that ended", more: [jsonLink(from.results, "Yield")] }, yields.element),
        at ? null : adding,
      ),
      h(
        "div",
        {},
        card("What holds it", { kind: "second", more: [jsonLink(from.why, at ? "Numbers" : "Why")] }, blocked.element),
        card("Activity", { more: [feed.controls, jsonLink(`/v1.0/events?outdial_id=${id}&limit=100`, "Events")] }, feed.element, h("p", { class: "below" }, h("a", { href: `/outdials/${id}/changes` }, "Who did what"), " to the list itself, since it was made")),
        card("Plan in force", { more: [jsonLink(from.dialing, "Dialing")] }, plan.element),
        card("Kept promises", { more: [at ? null : button("Do not call", { kind: "small", title: "Suppress a number: no call to it is requested any more", onclick: () => suppress({ outdialId: id }) }), jsonLink(from.stats, "Numbers")].filter(Boolean) }, strip.element),
      ),
    ),
  );

  const show = () => {
    const { dialing, stats, activity } = seen;
    if (!dialing || !stats || !activity) return;
    head.show(seen, verdict({ ...seen, now: seen.at }));
    steps.show(stats);
    blocked.show(seen);
    open.show(seen);
    plan.show(dialing);
    pace.limit("plan", dialing.plan?.calls_per_second);
    strip.show(stats);
    mark(adding, "data-first", stats.total ? null : "");
  };

  let whyAsked = -WHY_MS;
  const askWhy = async (force) => {
    const now = performance.now();
    if (!force && now - whyAsked < WHY_MS) return;
    whyAsked = now;
    seen.why = await get(from.why.href).catch(() => null);
    show();
  };
  let explained = 1;
  const explain = async (version) => {
    if (version <= explained) return;
    explained = version;
    const plans = planChanges(await changesOf(id).catch(() => []));
    feed.explain(plans);
    plan.explain(plans);
  };
  let reasonsAsked = false;
  const recount = async ({ controls }) => {
    if (reasonsAsked || !controls.some((one) => REASONED.has(one.type) && !pace.knows(one))) return;
    reasonsAsked = true;
    pace.explain(await changesOf(id).catch(() => []));
  };
  let slowAsked = false;
  const slow = async () => {
    slowAsked = true;
    const [due, results, together, most] = await Promise.all([from.calendar, from.results, from.pace, from.most].map(({ href }) => get(href).catch(() => null)));
    if (together) pace.limit("customer", together.calls_per_second);
    if (most) strip.most(most);
    if (due) calendar.show(due);
    if (results) {
      yields.show(results);
      strip.yields(results);
    }
  };

  const take = (message) => {
    seen.at = instant(message.at);
    for (const name of ["outdial", "dialing", "stats"]) if (message[name]) seen[name] = message[name];
    if (message.open_attempts) seen.open = message.open_attempts;
    if (message.events) {
      feed.add(message.events);
      pace.explain(message.events);
    }
    if (message.activity) {
      seen.activity = message.activity;
      pace.show(message.activity, minutes);
      recount(message.activity);
    }
    if (message.outdial) page.titled(message.outdial.name || "Outdial");
    show();
    explain(seen.dialing?.plan_version);
  };
  const gone = () => page.missing("There is no such outdial", "It may belong to another customer, or the address is wrong.");
  const refuse = async (message) => {
    const found = seen.outdial || (await get(base).catch(() => null));
    if (found) head.name(found);
    page.main.replaceChildren(head.element, bar.refused(message));
  };
  const look = async () => {
    try {
      const [found, now] = await Promise.all([get(then(minutes)), get(`${base}/stats?time=iso`)]);
      take(found);
      calendar.show(found.calendar);
      yields.show(found.results);
      strip.yields(found.results);
      strip.most(found.most_called);
      steps.compare(now);
      bar.show(found, found.outdial.tm_create, "What holds each person was not asked then: the reasons are those the log has.");
      page.freshness({ on: false, then: `as it was at ${dated(instant(found.at))}` });
    } catch (error) {
      page.freshness({ on: false, why: error.status ? "this time cannot be shown" : "the service cannot be reached" });
      if (error.status === 404) gone();
      else if (error.status) refuse(error.message);
      else bar.fail("The service cannot be reached.");
    }
  };
  const listen = () => {
    stop();
    if (at) {
      look();
      return;
    }
    stop = follow(
      `${base}/live?minutes=${minutes}`,
      (message) => {
        take(message);
        askWhy(Boolean(message.dialing));
        if (!slowAsked) slow();
      },
      (state) => {
        page.freshness(state);
        if (state.gone) gone();
      },
    );
  };
  listen();
  const timer = setInterval(() => !document.hidden && !at && slow(), SLOW_MS);
  const relabel = () => {
    seen.shown = page.numbersShown;
    open.show(seen);
  };
  document.addEventListener("outdial:masks", relabel);
  return () => {
    stop();
    letGo();
    clearInterval(timer);
    pace.destroy();
    document.removeEventListener("outdial:masks", relabel);
  };
}

// --- header -------------------------------------------------------------------------------------

function header(page, id, seen, at, changed) {
  const state = chip();
  const name = h("h1", { text: " " });
  const lead = h("strong");
  const rest = h("span");
  const says = h("p", { class: "verdict", "aria-live": "polite" }, lead, " ", rest);
  const bar = stack(PARTS);
  const path = `/v1.0/outdials/${id}/dialing`;
  const reason = h("input", { name: "reason", maxlength: "255", autocomplete: "off", placeholder: "Reason, optional", "aria-label": "Reason, optional", title: "Why, for people: it goes along with Pause, Resume, Drain and Stop, and stands in the activity" });
  const set = (status, told) => async () => {
    const why = reason.value.trim();
    if (!(await attempt(() => setDialing(id, { status, ...(why ? { reason: why } : {}) }), told))) return;
    reason.value = "";
    changed();
  };
  const buttons = {
    start: button("Start", { kind: "primary", sign: "▶", onclick: () => start(id, seen.dialing, (done) => done && changed()) }),
    resume: button("Resume", { kind: "primary", sign: "▶", onclick: set("resume", "Dialing goes on.") }),
    pause: button("Pause", { sign: "❚❚", onclick: set("pause", "Paused: no call is requested until it is resumed."), title: "Request no calls until it is resumed; open ones go on" }),
    drain: button("Drain", { sign: "▽", onclick: set("drain", "Draining: open targets are finished, then it stops."), title: "Finish what was begun, then stop" }),
    stop: button("Stop", { sign: "■", onclick: set("stop", "Stopped: no call is requested any more."), title: "Request no calls any more; open ones go on" }),
    back: button("Look back", { sign: "↶", onclick: () => page.go(`/outdials/${id}?at=${new Date(seen.at).toISOString()}`), title: "This page as it was at an earlier time" }),
  };
  for (const one of [reason, ...Object.values(buttons)]) one.hidden = true;
  state.element.hidden = true;
  const shown = { run: ["pause", "drain", "stop"], paused: ["resume", "stop"], draining: ["pause", "stop"], stopping: ["start"], stop: ["start"] };
  const element = h(
    "header",
    { class: "head steady" },
    h("p", { class: "crumbs" }, h("a", { href: "/" }, "Outdials"), h("span", { "aria-hidden": "true" }, " / "), h("code", {}, shortId(id))),
    h("div", { class: "title" }, name, state.element, h("span", { class: "grow" }), h("div", { class: "buttons" }, reason, Object.values(buttons))),
    says,
    bar.element,
    commands([
      ["PUT", path, { status: "run" }, `outdial run ${id}`],
      ["PUT", path, { status: "pause" }, `outdial pause ${id}`],
      ["PUT", path, { status: "resume" }, `outdial resume ${id}`],
      ["PUT", path, { status: "drain" }, `outdial drain ${id}`],
      ["PUT", path, { status: "stop" }, `outdial stop ${id}`],
      ["GET", `/v1.0/outdials/${id}/stats`, undefined, `outdial watch ${id}`],
    ]),
  );
  const named = (outdial) => say(name, outdial.name || "(no name)");
  return {
    element,
    name: named,
    show({ outdial, dialing, stats }, told) {
      const now = stateOf(dialing);
      named(outdial);
      state.set(now);
      state.element.hidden = false;
      mark(says, "data-tone", told.tone);
      say(lead, told.lead);
      say(rest, told.rest);
      bar.set(divided(stats), stats.total);
      for (const [word, one] of Object.entries(buttons)) one.hidden = at !== null || (word !== "back" && (outdial.tm_delete !== null || !shown[now].includes(word))) || (["pause", "drain"].includes(word) && !("paused" in dialing));
      reason.hidden = buttons.stop.hidden;
    },
  };
}

// --- how far --------------------------------------------------------------------------------------

function funnel(id, from, live) {
  const tiles = [
    ["total", "On the list", "total", "all", ""],
    ["due", "Due now", "due_now", "waiting", "due_now"],
    ["later", "Due later", "waiting-due_now", "waiting", "due_later"],
    ["open", "In progress", "lifecycle.dialing+lifecycle.answered", "open", "in_progress"],
    ["reached", "Reached", "lifecycle.finished", "finished", "reached"],
    ["spent", "Out of tries", "lifecycle.failed", "failed", "out_of_tries"],
    ["held", "No try left by plan", "no_tries", "rest", "no_tries"],
  ];
  const numbers = {};
  const shares = {};
  const nows = {};
  const valuesOf = ({ lifecycle, ...stats }) => ({
    total: stats.total,
    due: stats.due_now,
    later: stats.waiting - stats.due_now,
    open: lifecycle.dialing + lifecycle.answered,
    reached: lifecycle.finished,
    spent: lifecycle.failed,
    held: stats.no_tries,
  });
  const element = h(
    "ol",
    { class: "funnel", "aria-label": "How far it is" },
    tiles.map(([name, label, path, part, list]) => {
      numbers[name] = number(from.stats, path, label);
      shares[name] = h("span", { class: "share" });
      if (live) nows[name] = number(live, path, `${label} now`);
      const who = live ? h("span", { class: "label" }, label) : h("a", { class: "label", href: `/outdials/${id}/targets${list && `?show=${list}`}`, title: "Who these are", "data-find": name === "total" }, label);
      return h("li", { "data-part": part }, who, numbers[name].element, shares[name], live ? h("span", { class: "share" }, "now ", nows[name].element) : null);
    }),
  );
  return {
    element,
    show(stats) {
      for (const [name, value] of Object.entries(valuesOf(stats))) {
        numbers[name].set(value);
        say(shares[name], name === "total" ? `${plural(stats.requested, "request")}` : percent(value, stats.total));
      }
    },
    compare(stats) {
      for (const [name, value] of Object.entries(valuesOf(stats))) nows[name].set(value);
    },
  };
}

// --- what holds it --------------------------------------------------------------------------------

/** What lets those go that no time lets go. */
const ENDS = {
  paused: "resume it",
  no_run: "start it",
  plan_pending: "when its outplan answers",
  draining: "by the next run",
  no_tries_in_plan: "by a plan that gives them tries",
  type_not_dialable: "by a run that is not of calls alone",
  zone_unknown: "by a plan with a time zone for them",
  suppressed: "when taken off the list",
  attempt_open: "when the call ends",
  tries_spent: "by a plan with more tries, or Dial again",
  expired: "never",
  outdial_deleted: "never",
};

function blockedBy(from) {
  const body = h("tbody");
  const none = h("p", { class: "none" }, "Nothing holds anybody.");
  const element = h(
    "div",
    {},
    h(
      "table",
      { class: "held" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Reason"), h("th", { scope: "col", class: "right" }, "Targets"), h("th", { scope: "col" }, "Let go"))),
      body,
    ),
    none,
  );
  const keyed = new Keyed(
    body,
    (row) => {
      const value = number(row.href, row.path, row.says);
      const until = h("span");
      const when = h("small");
      return { value, until, when, element: h("tr", {}, h("th", { scope: "row" }, row.says), h("td", { class: "right" }, value.element), h("td", {}, until, when)) };
    },
    (entry, row) => {
      entry.value.set(row.n);
      say(entry.until, row.until);
      say(entry.when, row.when);
      mark(entry.element.lastElementChild, "title", row.title || null);
    },
  );
  const at = (text, now, rule) => {
    const when = instant(text);
    if (when === null) return { until: ENDS[rule] || "by something that happens", when: "" };
    return { until: when <= now ? "now" : dated(when), when: when <= now ? "" : `in ${span(when - now)}`, title: everywhere(when) };
  };
  return {
    element,
    show({ why, stats }) {
      const then = from.why.part ? Object.entries(stats.blocked || {}).filter(([, n]) => n > 0) : [];
      const past = then.map(([rule, n]) => ({ key: rule, says: rule.charAt(0).toUpperCase() + rule.slice(1).replaceAll("_", " "), n, path: `blocked.${rule}`, href: from.stats, until: "", when: "" }));
      const rows = from.why.part ? past : (why?.reasons || []).filter((one) => one.why !== "reached").map((one) => ({
        key: one.why,
        says: one.says.charAt(0).toUpperCase() + one.says.slice(1),
        n: one.targets,
        path: `reasons[${one.why}].targets`,
        href: from.why,
        ...at(one.next_at, instant(why.at), one.why),
      }));
      keyed.show(rows, (row) => row.key);
      none.hidden = rows.length > 0;
    },
  };
}

// --- calls in progress ------------------------------------------------------------------------------

function openAttempts(id, from, page, seen) {
  const total = number(from.open, "open", "Calls open");
  const most = number(from.dialing, "plan.max_concurrent", "The most that may be open");
  const cap = h("span", { hidden: true }, "of at most ", most.element);
  const body = h("tbody");
  const masks = h("button", { type: "button", class: "button small", "aria-pressed": "false", onclick: () => page.showNumbers(!page.numbersShown) }, "Show numbers");
  const more = h("p", { class: "below", hidden: true });
  const element = scroller(
    "Calls in progress",
    {},
    h(
      "table",
      { class: "calls" },
      h("thead", {}, h("tr", {}, ["Target", "Number", "Destination · try", "State", "For"].map((name) => h("th", { scope: "col" }, name)))),
      body,
    ),
    h("p", { class: "none" }, "No call is open."),
    more,
  );
  let plan = null;
  const capOf = (row) => (plan && plan.retry_mode !== "result" && plan[`max_try_count_${row.destination_index}`]) || 0;
  const keyed = new Keyed(
    body,
    (row) => {
      const address = h("td", { class: "address" });
      const state = h("td", {});
      const elapsed = h("span", {});
      const meter = h("span", { class: "meter", "aria-hidden": "true" });
      const target = h("a", { href: `/outdials/${id}/targets/${row.target_id}`, title: `Target ${row.target_id}\nAttempt ${row.attempt_id}` }, shortId(row.target_id));
      const tries = h("td");
      return { address, tries, state, elapsed, meter, element: h("tr", { "data-item": true }, h("th", { scope: "row" }, target), address, tries, state, h("td", { class: "elapsed" }, meter, elapsed)) };
    },
    (entry, row) => {
      const began = instant(row.answered_at || row.requested_at);
      const late = instant(row.expires_at) - seen.at;
      const rings = seen.at - instant(row.requested_at);
      say(entry.address, masked(row.destination, page.numbersShown));
      const of = capOf(row) ? ` of ${capOf(row)}` : "";
      say(entry.tries, `${row.destination_index} · ${row.try_count}${of}`);
      mark(entry.tries, "title", `Destination ${row.destination_index}, its try ${row.try_count}${of && `${of} by the plan`}; attempt ${row.ordinal} on the target`);
      const overdue = row.status === "dialing" && seen.at > instant(row.not_after) + row.dial_timeout;
      say(entry.state, overdue ? `⚠ result missing, given up in ${span(late)}` : row.status === "dialing" ? (row.worker ? "◔ ringing" : "○ requested") : "◑ talking");
      mark(entry.element, "data-tone", overdue ? "held" : row.status === "dialing" ? "wait" : "go");
      say(entry.elapsed, span(seen.at - began));
      entry.meter.hidden = row.status !== "dialing";
      entry.meter.style.setProperty("--share", Math.min(1, rings / row.dial_timeout));
    },
  );
  return {
    element,
    total: h("span", {}, total.element, " open ", cap, " ", masks),
    show({ open, dialing }) {
      if (!open) return;
      plan = dialing.plan;
      const limit = plan?.max_concurrent;
      cap.hidden = !limit;
      most.set(limit ?? 0);
      total.set(open.open);
      keyed.show(open.result, (row) => row.attempt_id);
      mark(element, "data-empty", open.result.length ? null : "");
      const unseen = open.open - open.result.length;
      more.hidden = unseen <= 0;
      say(more, `and ${count(unseen)} more: these are the longest open`);
      mark(masks, "aria-pressed", String(page.numbersShown));
      say(masks, page.numbersShown ? "Hide numbers" : "Show numbers");
    },
  };
}

// --- what happened ----------------------------------------------------------------------------------

const GROUPS = {
  all: () => true,
  calls: (type) => type.startsWith("Dial") && !type.startsWith("Dialing"),
  targets: (type) => type.startsWith("Target"),
  steering: (type) => type.startsWith("Dialing") || type.startsWith("Plan") || type.startsWith("Outdial"),
};

function activityFeed(id, base) {
  const list = h("ol", { class: "feed" });
  const paused = h("p", { class: "paused" }, "paused");
  const element = scroller("Activity, newest first", {}, list);
  const choice = h("select", { "aria-label": "Show" }, Object.keys(GROUPS).map((name) => h("option", { value: name }, name)));
  let rows = [];
  let last = 0;
  let held = false;
  const hold = (value) => () => {
    held = value;
    mark(paused, "data-on", value ? "" : null);
    if (!value) draw();
  };
  element.addEventListener("pointerenter", hold(true));
  element.addEventListener("pointerleave", hold(false));
  element.addEventListener("focusin", hold(true));
  element.addEventListener("focusout", hold(false));
  let plans = new Map();
  const keyed = new Keyed(list, (row) => item(id, row), (entry, { data }) => entry.explain?.(plans.get(data.version)));
  const draw = () => keyed.show(rows.filter((row) => row.gap || GROUPS[choice.value](row.type)).slice(0, FEED_ROWS), (row) => row.id);
  choice.addEventListener("change", draw);
  return {
    element,
    controls: h("span", {}, paused, choice),
    explain(changes) {
      plans = changes;
      if (!held) draw();
    },
    add(events) {
      const fresh = events.filter((event) => event.sequence > last);
      if (!fresh.length) return;
      const missed = last ? fresh[0].sequence - last - 1 : 0;
      if (missed > 0) rows.unshift({ gap: missed, id: `gap-${last}`, type: "" });
      last = fresh[fresh.length - 1].sequence;
      rows = [...fresh.reverse(), ...rows].slice(0, 2 * FEED_ROWS);
      if (!held || !list.children.length) draw(); // a pointer that is there already holds nothing yet
    },
  };
}

function item(id, row) {
  if (row.gap) return { element: h("li", { class: "gap" }, `${plural(row.gap, "event")} more in between`) };
  const at = instant(row.time);
  const { target_id, outcome } = row.data;
  const element = h(
    "li",
    { "data-type": row.type, "data-outcome": outcome },
    h("time", { datetime: row.time, title: everywhere(at) }, dated(at)),
    h("span", { class: "what" }, told(row)),
    target_id ? h("a", { href: `/outdials/${id}/targets/${target_id}` }, shortId(target_id)) : null,
  );
  if (row.type !== "PlanApplied") return { element };
  let explained = false;
  return {
    element,
    explain(changed) {
      if (explained || !changed || row.data.version === 1) return;
      explained = true;
      element.append(difference(changed));
    },
  };
}

// --- later ------------------------------------------------------------------------------------------

function retryCalendar(from) {
  const overdue = number(from.calendar, "overdue", "Due now");
  const later = number(from.calendar, "later", "Later");
  const cells = Array.from({ length: 48 }, () => h("span", { class: "cell" }));
  const hours = Array.from({ length: 12 }, () => h("th", { scope: "col" }));
  const table = h(
    "table",
    { class: "calendar" },
    h("thead", {}, h("tr", {}, h("td", {}), hours)),
    h("tbody", {}, [0, 1, 2, 3].map((quarter) => h("tr", {}, h("th", { scope: "row" }, `+${quarter * 15}`), cells.filter((_, index) => index % 4 === quarter).map((cell) => h("td", {}, cell))))),
  );
  const zones = zoneHeat(from);
  return {
    element: h("div", {}, h("p", { class: "line-up" }, h("span", {}, overdue.element, " due now"), h("span", {}, later.element, " after that")), scroller("Targets per quarter of an hour", { kind: "scroll-x" }, table), zones.element),
    show(found) {
      zones.show(found);
      const begins = instant(found.begins);
      const most = Math.max(1, ...found.due);
      overdue.set(found.overdue);
      later.set(found.later);
      hours.forEach((cell, index) => {
        const hour = begins + index * 3600000;
        const day = otherDay(hour);
        const fresh = day && (index === 0 || day !== otherDay(hour - 3600000));
        cell.replaceChildren(...(fresh ? [h("small", {}, day)] : []), minute(hour));
        mark(cell, "title", dated(hour, minute));
      });
      cells.forEach((cell, index) => {
        const n = found.due[index];
        say(cell, n ? count(n) : "·");
        cell.style.setProperty("--share", n / most);
        mark(cell, "data-dense", n / most > 0.55 ? "" : null);
        mark(cell, "title", `${plural(n, "target")} between ${dated(begins + index * 900000, minute)} and ${dated(begins + (index + 1) * 900000, minute)}`);
      });
    },
  };
}

const STEPS = 48;

/** What falls due where: a row for each time zone, a cell for each quarter of an hour, as full as it has targets. */
function zoneHeat(from) {
  const hours = Array.from({ length: STEPS / 4 }, () => h("th", { scope: "colgroup", colspan: "4" }));
  const body = h("tbody");
  const table = h(
    "table",
    { class: "heat" },
    h("caption", {}, "By the time zone of whom is called"),
    h("colgroup", {}, h("col", { class: "zone" }), h("col", { class: "sum" })),
    hours.map(() => h("colgroup", { span: "4" })),
    h("colgroup", {}, h("col", { class: "sum" })),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Zone"), h("th", { scope: "col", class: "right" }, "Due now"), hours, h("th", { scope: "col", class: "right" }, "Later"))),
    body,
  );
  const keyed = new Keyed(
    body,
    ({ index, name }) => {
      const overdue = number(from.calendar, `zones.${index}.overdue`, `Due now, ${name}`);
      const later = number(from.calendar, `zones.${index}.later`, `Later, ${name}`);
      const cells = Array.from({ length: STEPS }, () => h("td", { class: "warm" }, h("span", {})));
      const row = h("tr", {}, h("th", { scope: "row" }, h("span", {}, name)), h("td", { class: "right" }, overdue.element), cells, h("td", { class: "right" }, later.element));
      return { overdue, later, cells, element: row };
    },
    (entry, row) => {
      entry.overdue.set(row.overdue);
      entry.later.set(row.later);
      mark(entry.element.firstElementChild, "title", row.title);
      entry.cells.forEach((cell, step) => {
        const n = row.due[step];
        say(cell.firstElementChild, count(n));
        cell.style.setProperty("--share", n ? Math.max(0.15, n / row.most) : 0);
        const at = row.begins + step * 900000;
        mark(cell, "title", `${row.name}: ${plural(n, "target")} between ${dated(at, minute)} and ${dated(at + 900000, minute)}${row.there(at)}`);
      });
    },
  );
  return {
    element: scroller("Targets per quarter of an hour and time zone", { kind: "scroll-x" }, table),
    show({ zones, begins, due }) {
      const start = instant(begins);
      hours.forEach((cell, index) => say(cell, minute(start + index * 3600000)));
      const most = Math.max(1, ...zones.flatMap((row) => row.due));
      keyed.show(zones.map((row, index) => ({ ...row, ...zoneNamed(row.zones), index, begins: start, most, due: row.due.slice(0, due.length) })), (row) => `${row.index} ${row.name}`);
    },
  };
}

/** How zones are called, all of them where there are several, and what time it is there. */
function zoneNamed(zones) {
  const none = { title: null, there: () => "" };
  if (zones === null) return { ...none, name: "Other zones" };
  if (!zones.length) return { ...none, name: "Zone not known" };
  const regions = [...new Set(zones.map((zone) => zone.split("/")[0]))];
  if (zones.length > 1) return { ...none, name: `${zones.length} zones, ${regions[0]}${regions.length > 1 ? " …" : ""}`, title: `Any of\n${zones.join("\n")}` };
  const there = (at) => `, there ${minute(at, zones[0])}`;
  return { name: zones[0].replaceAll("_", " "), title: `${zones[0]}${there(Date.now())} now`, there };
}

function yieldTables(from) {
  const names = { try: ["Try", (key) => `${key}.`], destination: ["Destination", (key) => String(key)], hour: ["Hour, UTC", (key) => `${String(key).padStart(2, "0")}–${String((key + 1) % 24).padStart(2, "0")}`] };
  const bodies = {};
  const element = h(
    "div",
    { class: "yields" },
    Object.entries(names).map(([measure, [title, label]]) => {
      const body = h("tbody");
      bodies[measure] = new Keyed(
        body,
        ({ key }) => {
          const ended = number(from.results, `by_${measure}[${key}].ended`, `Attempts that ended, ${title} ${key}`);
          const answered = number(from.results, `by_${measure}[${key}].outcome.answered`, `Answered, ${title} ${key}`);
          const share = h("span");
          const meter = h("span", { class: "meter", "aria-hidden": "true" });
          return { ended, answered, share, meter, element: h("tr", {}, h("th", { scope: "row" }, label(key)), h("td", {}, meter, share), h("td", { class: "right" }, answered.element, h("span", { class: "note" }, " of "), ended.element)) };
        },
        (entry, row) => {
          const answered = row.outcome.answered ?? 0;
          entry.ended.set(row.ended);
          entry.answered.set(answered);
          say(entry.share, percent(answered, row.ended));
          entry.meter.style.setProperty("--share", row.ended ? answered / row.ended : 0);
        },
      );
      return scroller(`Yield by ${title}`, {}, h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, title), h("th", { scope: "col" }, "Answered"), h("th", { scope: "col", class: "right" }, "Attempts"))), body));
    }),
  );
  const causes = causeTable(from);
  return {
    element: h("div", {}, element, causes.element),
    show(found) {
      for (const measure of Object.keys(names)) bodies[measure].show(found[`by_${measure}`], (row) => row.key);
      causes.show(found.by_prefix);
    },
  };
}

const NOT_REACHED = OUTCOMES.filter((outcome) => outcome !== "answered");

/** Why attempts came to nothing, by where the number is: no number is named, only its calling code. */
function causeTable(from) {
  const body = h("tbody");
  const words = ["Attempts", ...NOT_REACHED.map((outcome) => outcomeWord(outcome).replace(/^./, (first) => first.toUpperCase()))];
  const keyed = new Keyed(
    body,
    ({ key, name }) => {
      const path = `by_prefix[${key}]`;
      const ended = number(from.results, `${path}.ended`, `Attempts that ended, ${name}`);
      const share = h("span");
      const meter = h("span", { class: "meter", "aria-hidden": "true" });
      const numbers = NOT_REACHED.map((outcome) => number(from.results, `${path}.outcome.${outcome}`, `${outcomeWord(outcome)}, ${name}`));
      const cells = [ended, ...numbers].map((one) => h("td", { class: "right" }, one.element));
      return { ended, share, meter, numbers, element: h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, meter, share), cells) };
    },
    (entry, row) => {
      const failed = row.ended - (row.outcome.answered ?? 0);
      entry.ended.set(row.ended);
      say(entry.share, percent(failed, row.ended));
      entry.meter.style.setProperty("--share", row.ended ? failed / row.ended : 0);
      NOT_REACHED.forEach((outcome, index) => entry.numbers[index].set(row.outcome[outcome]));
    },
  );
  const heads = words.map((word) => h("th", { scope: "col", class: "right" }, word));
  const table = h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Number"), h("th", { scope: "col" }, "Not reached"), heads)), body);
  return {
    element: h("div", { class: "causes" }, h("h3", {}, "Not reached, by calling code and cause"), scroller("Not reached, by calling code and cause", {}, table)),
    show(rows) {
      const named = rows.map((row) => ({ ...row, name: row.key ? `+${row.key}` : "no number" }));
      keyed.show(named.sort((one, other) => other.ended - one.ended || one.key - other.key), (row) => row.key);
    },
  };
}

// --- plan and promises ------------------------------------------------------------------------------

function planInForce() {
  const list = h("dl", { class: "facts" });
  const since = h("div", {});
  let shown = "";
  let plans = new Map();
  let version = 0;
  const explain = () => {
    const changed = version > 1 ? plans.get(version) : null;
    since.replaceChildren(...(changed ? [h("h3", {}, "Other than the plan before"), difference(changed)] : []));
  };
  return {
    element: h("div", {}, list, since),
    explain(changes) {
      plans = changes;
      explain();
    },
    show(dialing) {
      const { plan } = dialing;
      const key = JSON.stringify([plan, dialing.plan_version, dialing.outplan_id]);
      if (key === shown) return;
      shown = key;
      version = dialing.plan_version;
      explain();
      if (!plan) {
        list.replaceChildren(h("dt", {}, "None yet"), h("dd", {}, "Start asks for one."));
        return;
      }
      const facts = [["Version", planOrigin(dialing)], ...planFacts(plan)];
      list.replaceChildren(...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))));
    },
  };
}

function compliance(from) {
  const rows = [
    ["requested", "calls requested, each under an id of its own"],
    ["requested_outside", "of them outside the hours of the plan, counted anew from the log"],
    ["due_outside", "due, and left alone: it is outside their hours"],
    ["most_a_day", "calls within a day (UTC) to the number that was called most often"],
    ["most", "attempts that ended with the one who was called most often"],
    ["lost", "results that never came, given up when the lease ended"],
    ["given_back", "never placed; the try was given back"],
    ["duplicates_skipped", "duplicates left out when people were added"],
    ["deleted", "targets deleted; nobody calls them any more"],
  ];
  const elsewhere = { most: [from.results, "max(by_try.key)"], most_a_day: [from.most, "calls"] };
  const numbers = Object.fromEntries(rows.map(([name, label]) => [name, number(...(elsewhere[name] || [from.stats, name]), label)]));
  const element = h("ul", { class: "strip" }, rows.map(([name, label]) => h("li", {}, numbers[name].element, h("span", {}, label))));
  return {
    element,
    show(stats) {
      for (const [name] of rows) if (!(name in elsewhere)) numbers[name].set(stats[name]);
    },
    most: ({ calls }) => numbers.most_a_day.set(calls),
    yields: ({ by_try }) => numbers.most.set(Math.max(0, ...by_try.map(({ key }) => key))),
  };
}
