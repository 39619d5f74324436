// The service itself: does it take work, how far is it, what has it done.

import { get, text } from "./api.js";
import { h } from "./dom.js";
import { card, commandLine, jsonLink, scroller } from "./parts.js";
import { count, dated, everywhere, instant, span } from "./words.js";

const EVERY_MS = 2000;
const REJECTIONS = "/v1.0/rejections?limit=50";
const VIEWS = "/v1.0/views";
const SELDOM_MS = 15000;
const GROUPS = [
  ["Log and views", /^outdial_(log_position|projection_lag|targets)/],
  ["Partitions", /^outdial_(partitions_owned|consumer_lag|clock_offset)/],
  ["Commands and events", /^outdial_(commands_total|decisions|events_appended|rejections)/],
  ["Dialing", /^outdial_(dial_|calls_)/],
  ["Transactions", /^outdial_transactions/],
  ["HTTP", /^outdial_http/],
];

export function system(page) {
  const ready = h("p", { class: "verdict" });
  const facts = h("dl", { class: "facts" });
  const tables = h("div", { class: "grid" });
  const verified = h("div");
  const stored = h("dl", { class: "facts" });
  const refused = h("div", { class: "rejections" });
  page.main.replaceChildren(
    h("header", { class: "head" }, h("div", { class: "title" }, h("h1", {}, "System")), ready),
    card("This process", { more: [jsonLink("/readyz", "Readiness"), jsonLink("/metrics", "Metrics", "Metrics")] }, facts),
    card("Store", { more: [jsonLink(VIEWS, "Store")] }, stored),
    card("Views against the log", { more: [jsonLink(VIEWS, "Views")] }, verified),
    tables,
    card("Refused commands", { more: [jsonLink(REJECTIONS, "Refused commands")], note: "Newest first. Numbers and tokens are not shown." }, refused),
  );
  page.titled("System");
  const load = async () => {
    try {
      const [state, metrics] = await Promise.all([get("/readyz").catch((error) => ({ status: "not_ready", reason: error.reason || error.message })), text("/metrics")]);
      const { samples, buckets, helps } = parsed(metrics);
      ready.dataset.tone = state.status === "ready" ? "go" : "held";
      ready.textContent = state.status === "ready" ? "Ready: it takes work." : `Not ready: ${(state.reason || "it does not say why").replaceAll("_", " ")}.`;
      const marks = samples.filter((one) => one.name === "outdial_log_position");
      const rows = [
        ...samples.filter((one) => one.name === "outdial_build_info").map((one) => ["Version", one.labels.version]),
        ["Position", state.position || "–"],
        ["Partitions", marks.length || 1],
        ...marks.filter((one) => one.labels).map((one) => [`Position of partition ${one.labels.partition}`, count(one.value)]),
      ];
      facts.replaceChildren(...rows.map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, String(value)))));
      withAborts(samples);
      const groups = GROUPS.map(([title, pattern]) => group(title, samples.filter((one) => pattern.test(one.name) && one.name !== "outdial_log_position"), helps));
      tables.replaceChildren(...[durations(buckets, helps), ...groups].filter(Boolean));
      page.freshness({ on: true, behind: 0 });
    } catch (error) {
      page.freshness({ on: false, why: "the service cannot be reached" });
    }
  };
  const look = () =>
    Promise.all(
      [[verified, verification], [stored, store], [refused, rejections]].map(async ([place, made]) => place.replaceChildren(...[await made().catch((error) => h("p", { class: "note" }, error.message))].flat())),
    );
  load();
  look();
  const timers = [setInterval(() => !document.hidden && load(), EVERY_MS), setInterval(() => !document.hidden && look(), SELDOM_MS)];
  return () => timers.forEach(clearInterval);
}

/** Whether what the pages show was compared with what the log says, and when. */
async function verification() {
  const found = (await get(VIEWS)).verified;
  if (!found) return h("div", {}, h("p", { class: "verdict" }, "? Never verified: the views of this process were not compared with its log."), commandLine("outdial views verify"));
  const at = instant(found.tm_verify);
  const word = found.equal ? "✓ Verified: built anew from the log they were the same." : "✕ Different: built anew from the log they were not the same. Stop the service and build them.";
  const place = [`At position ${found.position}, `, h("time", { datetime: found.tm_verify, title: everywhere(at) }, dated(at)), "."];
  return h("div", {}, h("p", { class: "verdict", "data-tone": found.equal ? "go" : "held" }, word), h("p", { class: "note" }, place), commandLine(found.equal ? "outdial views verify" : "outdial views rebuild"));
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];
/** 1_572_864 -> "1.5 MiB" */
function size(bytes) {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** power;
  return `${power && value < 100 ? value.toFixed(1) : count(Math.round(value))} ${UNITS[power]}`;
}

/** How large what this process keeps is, and what room it has. */
async function store() {
  const found = (await get(VIEWS)).store;
  if (!found) return h("p", { class: "note" }, "This process keeps nothing of its own.");
  const rows = [
    ["Database", found.database_bytes, size(found.database_bytes)],
    ["Snapshots and other files", found.other_bytes, size(found.other_bytes)],
    ["Free on its disk", found.free_bytes, `${size(found.free_bytes)} of ${size(found.disk_bytes)}`],
  ];
  return rows.map(([label, bytes, told]) => h("div", {}, h("dt", {}, label), h("dd", { title: `${count(bytes)} bytes` }, told)));
}

/** Commands that were refused, each with the line that reads the bytes that came. */
async function rejections() {
  const { kept, result } = await get(REJECTIONS);
  if (!kept) return h("p", { class: "note" }, "With the log in a folder none are kept: whoever sends a command that is refused is told so. Their numbers stand above.");
  if (!result.length) return h("p", { class: "note" }, "None of those you may see.");
  const head = ["When", "Why", "Command", "Partition · offset"].map((text) => h("th", { scope: "col" }, text));
  return scroller("Refused commands", {}, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, result.map(rejection))));
}

function rejection(one) {
  const at = instant(one.tm_reject);
  const line = `kcat -C -b "$broker" -t ${one.topic} -p ${one.partition} -o ${one.offset} -c 1 -e -q`;
  return h(
    "tr",
    {},
    h("td", {}, h("time", { datetime: one.tm_reject, title: everywhere(at) }, dated(at))),
    h("td", {}, one.reason.replaceAll("_", " "), h("br"), h("small", {}, one.message)),
    h("td", {}, one.type || "not readable", h("br"), h("small", {}, `${count(one.length)} bytes`)),
    h("td", {}, `${one.partition} · ${one.offset}`, h("details", {}, h("summary", {}, "The bytes"), commandLine(line))),
  );
}

/** The metrics as they stand there: single values, the buckets of histograms by name, and what each says of itself. */
function parsed(metrics) {
  const samples = [];
  const buckets = new Map();
  const helps = new Map();
  for (const line of metrics.split("\n")) {
    const help = line.match(/^# HELP (\w+) (.*)$/);
    if (help) helps.set(help[1], help[2]);
    const match = line.match(/^(\w+)(?:\{(.*)\})? (\S+)$/);
    if (!match) continue;
    const labels = match[2] ? Object.fromEntries([...match[2].matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, value]) => [key, value])) : null;
    const [, name] = match;
    const value = Number(match[3]);
    if (name.endsWith("_bucket")) {
      const of = name.replace(/_bucket$/, "");
      buckets.set(of, [...(buckets.get(of) || []), { most: labels.le === "+Inf" ? Infinity : Number(labels.le), n: value }]);
    } else if (!helps.has(name)) continue; // the sum and the count of a histogram: its buckets say more
    else samples.push({ name, labels, value });
  }
  return { samples, buckets, helps };
}

/** A result that never came is not counted: of transactions it is to be said that none was aborted. */
function withAborts(samples) {
  const name = "outdial_transactions_total";
  if (samples.some((one) => one.name === name) && !samples.some((one) => one.labels?.result === "aborted")) samples.push({ name, labels: { result: "aborted" }, value: 0 });
}

const SHARES = [0.5, 0.99];
const duration = (seconds) => (seconds < 1 ? `${count(Math.round(seconds * 1000))} ms` : span(Math.round(seconds * 1000)));

/** Within what time so large a share of what was measured lay, as far as the buckets tell. */
function within(found, share) {
  const all = found[found.length - 1].n;
  const { most } = found.find(({ n }) => n >= share * all);
  const largest = found[found.length - 2]?.most;
  return most === Infinity ? `over ${duration(largest)}` : `≤ ${duration(most)}`;
}

/** How long things take: half of them, and all but one in a hundred. */
function durations(buckets, helps) {
  const rows = [...buckets].filter(([, found]) => found[found.length - 1].n > 0).map(([name, found]) =>
    h("tr", {}, h("th", { scope: "row" }, sentence(helps, name)), SHARES.map((share) => h("td", { class: "right" }, within(found, share))), h("td", { class: "right" }, count(found[found.length - 1].n))),
  );
  if (!rows.length) return null;
  const head = ["Since this process began", "p50", "p99", "Times"].map((text, index) => h("th", { scope: "col", class: index ? "right" : null }, text));
  return card("How long it takes", { kind: "wide" }, scroller("How long it takes", {}, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows))));
}

/** What a metric says of itself, without the full stop. */
const sentence = (helps, name) => (helps.get(name) || name.replace(/^outdial_/, "").replaceAll("_", " ")).replace(/\.$/, "");

function amount({ name, value }) {
  if (name.endsWith("_seconds")) return `${value < 0 ? "−" : ""}${duration(Math.abs(value))}`;
  return count(Number.isInteger(value) ? value : Math.round(value * 100) / 100);
}

function group(title, samples, helps) {
  if (!samples.length) return null;
  const rows = samples.map((one, index) => {
    const first = samples[index - 1]?.name !== one.name;
    const labels = one.labels ? Object.entries(one.labels).map(([key, value]) => (/^(true|false)$/.test(value) ? (value === "true" ? key : "") : value.replaceAll("_", " "))).filter(Boolean).join(" · ") : "";
    const heading = one.labels && first ? h("tr", {}, h("th", { scope: "colgroup", colspan: "2", class: "of" }, sentence(helps, one.name))) : null;
    return [heading, h("tr", {}, h("th", { scope: "row" }, one.labels ? labels : sentence(helps, one.name)), h("td", { class: "right" }, amount(one)))];
  });
  return card(title, {}, scroller(title, {}, h("table", {}, h("tbody", {}, rows.flat().filter(Boolean)))));
}
