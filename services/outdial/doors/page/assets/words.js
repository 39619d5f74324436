// How things are said: numbers, times, addresses, states, and the verdict.

export const OUTCOMES = ["answered", "busy", "no_answer", "machine", "failed", "canceled", "not_dialed", "other"];

const WHOLE = new Intl.NumberFormat("en-US");
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

export const count = (value) => WHOLE.format(value ?? 0);
export const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(part === whole ? 0 : 1)}%` : "–");
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
export const shortId = (id) => id.slice(0, 8);
export const instant = (text) => (text ? Date.parse(text) : null);

/** 90_061_000 -> "1 d 1 h"; the two largest parts. */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts = [[Math.floor(seconds / 86400), "d"], [Math.floor(seconds / 3600) % 24, "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).filter(([value]) => value > 0).map(([value, unit]) => `${value} ${unit}`).join(" ");
}

export const clock = (ms, zone) => new Date(ms).toLocaleTimeString("en-GB", { ...CLOCK, timeZone: zone });
export const minute = (ms, zone) => new Date(ms).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone });

const isToday = (ms) => new Date(ms).toDateString() === new Date().toDateString();

/** With its day, where that is another than today. */
export const dated = (ms, time = clock) => (isToday(ms) ? time(ms) : `${new Date(ms).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })} ${time(ms)}`);

/** Its day alone, where that is another than today. */
export const otherDay = (ms) => (isToday(ms) ? "" : new Date(ms).toLocaleDateString("en-GB", { day: "numeric", month: "short" }));

/** The time as every reader may want it: here, in UTC, and where the target is. */
export function everywhere(ms, targetZone) {
  const date = new Date(ms);
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const line = (zone, name) => `${date.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium", timeZone: zone })} ${name}`;
  return [line(here, `here (${here})`), line("UTC", "UTC"), ...(targetZone ? [line(targetZone, `at the target (${targetZone})`)] : [])].join("\n");
}

/** An address that tells calls apart but calls nobody: +1202•••0123, a•••@example.com. */
export function masked(address, shown = false) {
  const text = address?.target || "";
  if (shown || text === "") return text;
  const at = text.indexOf("@");
  if (at > 0) {
    const scheme = text.match(/^(sips?:)/i)?.[1] || "";
    return `${scheme}${text.slice(scheme.length, scheme.length + 1)}•••${text.slice(at)}`;
  }
  return text.length > 8 ? `${text.slice(0, 5)}•••${text.slice(-4)}` : "•••";
}

/** Whom a text names, for the list of whom not to call: +12025550123, a@example.com, sip:a@example.com, TYPE:TARGET; +4470* is how numbers begin. */
export function addressOf(text) {
  const target = text.trim();
  if (target.endsWith("*")) return { prefix: target.slice(0, -1) };
  const [, kind, rest] = target.match(/^(\w+):(.+)$/) || [];
  if (kind && !/^sips?$/i.test(kind)) return { address: { type: kind, target: rest } };
  return { address: { type: kind ? "sip" : target.includes("@") ? "email" : "tel", target } };
}

const SPELLED = {
  tel: [/^\+(?=(?:[^\d]*\d){7,15}[^\d]*$)[\d ()./-]+$/, "A telephone number has a + and 7 to 15 digits with the code of its country: +12025550123."],
  sip: [/^(?:sips?:)?[^\s@<>"]+@(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?(?:[;?][^\s<>"]*)?$/i, "A SIP address has a user and a host: sip:ann@example.com."],
  email: [/^[^\s@<>"(),:;[\]\\]{1,64}@[^\s@<>"(),:;[\]\\]{1,253}$/, "An e-mail address has a name and a host: ann@example.com."],
  prefix: [/^\+\d{1,14}$/, "Numbers begin with + and 1 to 14 digits: +4470*."],
};

/** What is wrong with how it is spelled, "" when nothing is known to be. */
export function misspelled({ address, prefix }) {
  const [form, says] = SPELLED[prefix === undefined ? address.type : "prefix"] || [];
  return !form || form.test(prefix ?? address.target.trim()) ? "" : says;
}

/** The text that names it, as a terminal takes it. */
export function spelled({ address, prefix }) {
  if (prefix !== undefined) return `${prefix}*`;
  const { type, target } = address;
  return type === "tel" || type === "email" || (type === "sip" && /^sips?:/i.test(target)) ? target : `${type}:${target}`;
}

/** What a run is called and marked by: never by colour alone. */
export const STATES = {
  run: { word: "Dialing", sign: "▶", tone: "go" },
  stop: { word: "Stopped", sign: "■", tone: "off" },
  stopping: { word: "Stopping", sign: "◪", tone: "wait" },
  paused: { word: "Paused", sign: "❚❚", tone: "wait" },
  draining: { word: "Draining", sign: "▽", tone: "wait" },
};

/** The state of a run, a pause told apart. */
export function stateOf(dialing) {
  if (dialing.status === "run" && dialing.paused) return "paused";
  if (dialing.status === "run" && dialing.draining) return "draining";
  return dialing.status in STATES ? dialing.status : "stop";
}

export const LIFECYCLES = {
  idle: { word: "Waiting", sign: "○" },
  dialing: { word: "Ringing", sign: "◔" },
  answered: { word: "Talking", sign: "◑" },
  busy: { word: "Busy, will retry", sign: "◌" },
  no_answer: { word: "No answer, will retry", sign: "◌" },
  finished: { word: "Reached", sign: "✓" },
  failed: { word: "Out of tries", sign: "✕" },
};

export const outcomeWord = (outcome) => (outcome || "open").replaceAll("_", " ");

const ENDED = {
  finished: "the last run finished: nothing was left to dial",
  stopped: "it was stopped",
  refused: "the last run was refused",
  deleted: "it was deleted",
};

/** What the service says, its times as they are here. */
export const localized = (text) => text.replace(/(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC/g, (_, day, time) => dated(Date.parse(`${day}T${time}Z`)));

/** A verdict of the service in two parts. */
function parted(text) {
  const local = localized(text);
  const at = local.search(/[:;,]/);
  return at < 0 ? [local, ""] : [local.slice(0, at + 1), local.slice(at + 1).trim()];
}

/** What takes all tries from somebody, and how many it does: "20 ..." . In the order they are said. */
const HELD = {
  no_tries_in_plan: (n) => `the plan gives ${count(n)} no try`,
  suppressed: (n) => `${count(n)} may not be called by a suppression list`,
  type_not_dialable: (n) => `${count(n)} have no destination that a call can reach`,
  zone_unknown: (n) => `of ${count(n)} nobody knows what time it is there`,
  draining: (n) => `${count(n)} were never tried, and a run that drains begins with nobody new`,
};

/** What holds those that do not even wait, or "" where nobody is held so. */
function held({ blocked = {} }) {
  return Object.entries(HELD).filter(([rule]) => blocked[rule] > 0).map(([rule, says]) => says(blocked[rule])).join(", ");
}

/** When hours open next, by the clock there and by the one here. */
function opening({ opens_at, opens_zones = [] }, now) {
  const at = instant(opens_at);
  if (at === null) return "no hours of theirs are known to open";
  const [zone, ...others] = opens_zones;
  const there = zone && minute(at, zone) !== minute(at) ? `${minute(at, zone)} ${zone.replaceAll("_", " ")}${others.length ? ` and ${plural(others.length, "other zone")}` : ""}, here ` : "";
  const where = zone && !there ? ` ${zone.replaceAll("_", " ")}` : "";
  return `the next open at ${there}${dated(at, minute)}${where} (in ${span(at - now)})`;
}

/** What to read first: is it dialing, and if not, why not and until when. `why`: what the service says, where it was asked. */
export function verdict({ outdial, dialing, stats, why, now = Date.now() }) {
  if (outdial.tm_delete) return { tone: "off", lead: "Deleted.", rest: "It can be read, and dials nobody." };
  if (stats.total === 0) return { tone: "wait", lead: "The list is empty.", rest: "Drop a CSV file on its page." };
  const state = stateOf(dialing);
  const open = stats.open_attempts ? ` ${plural(stats.open_attempts, "call")} open.` : "";
  if (state === "stop" || state === "stopping") {
    const ends = stats.open_attempts ? ` ${plural(stats.open_attempts, "open call")} will still end.` : "";
    const left = dialing.ended_how === "finished" && stats.waiting ? `the last run finished. ${plural(stats.waiting, "target waits", "targets wait")} for another.` : "";
    const because = dialing.ended_reason ? ` Reason: ${dialing.ended_how === "refused" ? dialing.ended_reason.replaceAll("_", " ") : dialing.ended_reason}.` : "";
    const how = dialing.run === 0 ? `it was never started. ${plural(stats.total, "target")} on the list.` : left || `${ENDED[dialing.ended_how] || "it is stopped"}.${because}${ends}`;
    return { tone: "off", lead: state === "stopping" ? "Stopping:" : "Not dialing:", rest: how };
  }
  if (stats.waiting + stats.open_attempts === 0) {
    const reached = stats.lifecycle.finished;
    const people = `${plural(reached, "person", "people")} reached`;
    const holds = held(stats);
    if (holds) return { tone: "held", lead: "Not dialing:", rest: `of those who are left nobody can be called: ${holds}. ${people}.` };
    if (stats.no_tries === 0) return { tone: "done", lead: "Done:", rest: `${people}, ${count(stats.total - reached)} not, and nobody is waiting for a try.` };
  }
  const outside = state === "run" && stats.due_now === 0 && stats.due_outside > 0;
  if (outside && (!why || why.why === "outside_window")) {
    return { tone: "held", lead: "Not dialing:", rest: `all that are due are outside their hours (${count(stats.due_outside)}); ${opening(stats, now)}.${open}` };
  }
  if (why) {
    const [told, rest] = parted(why.verdict);
    const lead = why.why === "not_due" && told.startsWith("Not") ? "Waiting:" : told;
    const dials = why.why === null || lead.startsWith("Dialing") || rest.includes("Dialing ");
    const eta = dials && why.per_minute > 0 && stats.waiting > 0 ? ` The ${count(stats.waiting)} waiting are tried by about ${dated(now + (stats.waiting / why.per_minute) * 60000, minute)}.` : "";
    const because = (why.why === "paused" && dialing.paused?.reason) || "";
    return { tone: state === "draining" ? "wait" : dials ? "go" : ["paused", "not_due"].includes(why.why) ? "wait" : "held", lead, rest: rest + (because && ` Reason: ${because}.`) + eta };
  }
  if (state === "paused") return { tone: "wait", lead: "Not dialing:", rest: `dialing is paused.${open}` };
  const next = instant(stats.next_due);
  const goes = stats.open_attempts || stats.due_now;
  const wait = `${plural(stats.waiting, "target waits", "targets wait")} for their next try${next === null ? "" : `, the first at ${dated(next)}`}.`;
  if (state === "draining") return { tone: "wait", lead: "Draining:", rest: `nobody new is called, and it ends when nobody who was tried has a try left. ${goes ? `${plural(stats.open_attempts, "call")} open, ${count(stats.due_now)} due now.` : wait}` };
  if (goes) return { tone: "go", lead: "Dialing:", rest: `${plural(stats.open_attempts, "call")} open, ${count(stats.due_now)} due now.` };
  return { tone: "wait", lead: "Waiting:", rest: `no target is due yet. ${wait}` };
}
