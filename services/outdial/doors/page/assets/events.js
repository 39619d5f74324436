// Events in words, and as they stand in the log; what a plan says, and what changed between two of them.

import { get } from "./api.js";
import { h } from "./dom.js";
import { commandLine } from "./parts.js";
import { masked, outcomeWord, plural, shortId, span } from "./words.js";

/** Events that somebody may have given a reason for. */
export const REASONED = new Set(["DialingPaused", "DialingResumed", "DialingDraining", "DialingStopped"]);

/** An event in a few words. */
export function told({ type, data, actor }) {
  const by = actor ? ` by ${actor}` : "";
  const why = data.reason ? `: ${data.how === "refused" || !REASONED.has(type) ? data.reason.replaceAll("_", " ") : data.reason}` : "";
  switch (type) {
    case "DialRequested":
      return `requested, ${data.rule.replaceAll("_", " ")}`;
    case "DialEnded":
      return `${data.outcome === "answered" ? "✓" : "·"} ${outcomeWord(data.outcome)}${data.lost ? ", nobody said so" : ""}`;
    case "DialAnswered":
      return "◑ answered, talking";
    case "DialClaimed":
      return "taken by a worker";
    case "TargetAdded":
      return "joined the list";
    case "TargetFinished":
      return "✓ reached";
    case "TargetExhausted":
      return "✕ out of tries";
    case "DuplicatesSkipped":
      return `${plural(data.skipped, "duplicate")} left out${by}`;
    case "DialingStarted":
      return `▶ dialing started, run ${data.run}${by}`;
    case "DialingPaused":
      return `❚❚ dialing paused${by}${why}`;
    case "DialingResumed":
      return `▶ dialing resumed${by}${why}`;
    case "DialingDraining":
      return `▽ dialing drains${by}${why}`;
    case "DialingStopped":
      return `■ dialing ${data.how}${by}${why}`;
    case "DialingFinished":
      return `✓ dialing finished, ${plural(data.requests, "request")}`;
    case "PlanApplied":
      return `≡ plan ${data.version} in force${by}`;
    case "OutdialUpdated":
      return `changed its ${Object.keys(data).join(", ").replaceAll("_", " ")}${by}`;
    default:
      return type.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase() + by + why;
  }
}

/** Where an event stands and what is in it; `shown`: the event as it may be seen. */
export function asItStands(event, shown = event) {
  const { position, place, ...raw } = shown;
  const record = place ? [["Topic", place.topic], ["Partition", place.partition], ["Offset", place.offset]] : [];
  const rows = [["Position", position], ...record, ["Id", event.id], ["Caused by command", event.causationid], ["Actor", event.actor || "–"]];
  return h(
    "details",
    {},
    h("summary", {}, "Event"),
    h("dl", { class: "facts" }, rows.map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, h("code", {}, String(value)))))),
    h("pre", { tabindex: "0" }, JSON.stringify(raw, null, 2)),
    place ? commandLine(`kcat -C -b "$KAFKA_BOOTSTRAP_SERVERS" -t ${place.topic} -p ${place.partition} -o ${place.offset} -c 1 -f '%h\\n%s\\n'`) : null,
    place === undefined ? null : commandLine(`outdial events --outdial ${event.id.split("/")[1]} --from ${justBefore(position, place)} --limit 1 --json`),
  );
}

/** The position from which an event is the next that is read. */
function justBefore(position, place) {
  const marks = position.split("-");
  marks[place?.partition ?? 0] = place?.offset ?? Number(position) - 1;
  return marks.join("-");
}

// --- what was done to an outdial itself -------------------------------------------------------------

const AT_ONCE = 1000;

export const changesHref = (id) => `/v1.0/events?outdial_id=${id}&targets=false&limit=${AT_ONCE}`;

/** Everything that was done to an outdial itself, oldest first: its targets and calls are left out. */
export async function changesOf(id) {
  const found = [];
  for (let after = "0"; ; ) {
    const answer = await get(`${changesHref(id)}&after=${after}`);
    found.push(...answer.result);
    if (answer.result.length < AT_ONCE) return found;
    after = answer.next_after;
  }
}

// --- plans ------------------------------------------------------------------------------------------

const limit = (value) => (value ? String(value) : "no limit");
const tries = (plan) => {
  const caps = [0, 1, 2, 3, 4].map((slot) => plan[`max_try_count_${slot}`] ?? 0);
  while (caps.length > 1 && caps[caps.length - 1] === 0) caps.pop();
  return caps.join(", ");
};
const spans = (hours) => hours.map(({ start, end }) => `${start}–${end}`).join(", ");
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/** mon, tue, wed, sat -> mon–wed, sat */
function days(wanted) {
  const runs = [];
  for (const day of DAYS.filter((one) => wanted.includes(one))) {
    const last = runs[runs.length - 1];
    if (last && DAYS.indexOf(day) === DAYS.indexOf(last[1]) + 1) last[1] = day;
    else runs.push([day, day]);
  }
  return runs.map(([first, last]) => (first === last ? first : `${first}–${last}`)).join(", ");
}
const week = ({ hours = [], dates = [] }) => [...hours.map((one) => `${days(one.days)} ${spans([one])}`), ...dates.map((one) => `${one.date} ${one.hours?.length ? spans(one.hours) : "closed"}`)].join("; ");
const whose = (windows) => (!windows.time_zone || windows.time_zone === "recipient" ? "by the clock of whom is called" : windows.time_zone);
const policy = (rules) => Object.entries(rules).map(([outcome, rule]) => `${outcome.replaceAll("_", " ")} ${rule.max_retries}${rule.interval_ms ? ` after ${span(rule.interval_ms)}` : ""}`).join(", ");

/** What a plan says: name, how it is told, and the fields it is told from. */
const SAYS = [
  ["Rings for", (plan) => span(plan.dial_timeout || 30000), ["dial_timeout"]],
  ["Between tries", (plan) => span(plan.try_interval ?? 0), ["try_interval"]],
  ["Tries per destination", (plan) => tries(plan) + (plan.retry_mode === "result" ? " by result" : ""), [...[0, 1, 2, 3, 4].map((slot) => `max_try_count_${slot}`), "retry_mode"]],
  ["Tries in all", (plan) => limit(plan.max_attempts), ["max_attempts"]],
  ["Calls open at once", (plan) => limit(plan.max_concurrent), ["max_concurrent"]],
  ["Calls a second", (plan) => limit(plan.calls_per_second), ["calls_per_second"]],
  ["Caller id", (plan) => masked(plan.source, true) || "none", ["source"]],
  ["Hours", (plan) => (plan.windows ? `${week(plan.windows)}, ${whose(plan.windows)}` : "any"), ["windows"]],
  ["Pick up within", (plan) => (plan.pickup_timeout ? span(plan.pickup_timeout) : "the usual"), ["pickup_timeout"]],
  ["By result", (plan) => (plan.result_policy ? policy(plan.result_policy) : "the same for all"), ["result_policy"], "result_policy"],
  ["Clock without a zone", (plan) => plan.time_zone || "none", ["time_zone"], "time_zone"],
];
const KNOWN = new Set(SAYS.flatMap(([, , fields]) => fields));

/** A plan as names and words; what few plans have only where this one has it. */
export const planFacts = (plan) => SAYS.filter(([, , , only]) => !only || plan[only]).map(([name, says]) => [name, says(plan)]);

/** What is another in a later plan: [name, before, after]. A field this page has no words for is told as it is. */
export function differences(before, after) {
  const changed = (field) => JSON.stringify(before[field] ?? null) !== JSON.stringify(after[field] ?? null);
  const other = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((field) => !KNOWN.has(field) && changed(field));
  return [
    ...SAYS.filter(([, says, fields]) => fields.some(changed) && says(before) !== says(after)).map(([name, says]) => [name, says(before), says(after)]),
    ...other.map((field) => [field.replaceAll("_", " "), JSON.stringify(before[field] ?? null), JSON.stringify(after[field] ?? null)]),
  ];
}

/** By version, what each plan of an outdial changed; the first changed nothing. */
export function planChanges(events) {
  const found = new Map();
  let before = null;
  for (const { type, data } of events) {
    if (type !== "PlanApplied") continue;
    found.set(data.version, before === null ? [] : differences(before, data.plan));
    before = data.plan;
  }
  return found;
}

/** The differences as they are read: what it was, struck out, and what it is. */
export function difference(rows) {
  if (!rows.length) return h("p", { class: "note" }, "It says the same as the plan before.");
  return h("dl", { class: "diff" }, rows.map(([name, was, is]) => h("div", {}, h("dt", {}, name), h("dd", {}, h("del", {}, was), h("span", { "aria-hidden": "true" }, " → "), h("ins", {}, is)))));
}

export const planOrigin = (dialing) => `${dialing.plan_version}${/[1-9]/.test(dialing.outplan_id) ? `, outplan ${shortId(dialing.outplan_id)}` : ""}`;
