// The service itself: does it take work, how far is it, what has it done.

import { get, text } from "./api.js";
import { h } from "./dom.js";
import { card, jsonLink, scroller } from "./parts.js";
import { count } from "./words.js";

const EVERY_MS = 2000;
const GROUPS = [
  ["Log and views", /^outdial_(log_position|projection_lag|targets)/],
  ["Partitions", /^outdial_(partitions_owned|consumer_lag|clock_offset)/],
  ["Commands and events", /^outdial_(commands_total|decisions|events_appended|rejections)/],
  ["Dialing", /^outdial_(dial_|calls_)/],
  ["Transactions and latency", /_(transactions_total|count|sum)$|^outdial_transactions/],
  ["HTTP", /^outdial_http/],
];

export function system(page) {
  const ready = h("p", { class: "verdict" });
  const facts = h("dl", { class: "facts" });
  const tables = h("div", { class: "grid" });
  page.main.replaceChildren(
    h("header", { class: "head" }, h("div", { class: "title" }, h("h1", {}, "System")), ready),
    card("This process", { more: [jsonLink("/readyz", "Readiness"), jsonLink("/metrics", "Metrics", "Metrics")] }, facts),
    tables,
  );
  page.titled("System");
  const load = async () => {
    try {
      const [state, metrics] = await Promise.all([get("/readyz").catch((error) => ({ status: "not_ready", reason: error.reason || error.message })), text("/metrics")]);
      const samples = parsed(metrics);
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
      tables.replaceChildren(...GROUPS.map(([title, pattern]) => group(title, samples.filter((one) => pattern.test(one.name) && one.name !== "outdial_log_position"))).filter(Boolean));
      page.freshness({ on: true, behind: 0 });
    } catch (error) {
      page.freshness({ on: false, why: "the service cannot be reached" });
    }
  };
  load();
  const timer = setInterval(() => !document.hidden && load(), EVERY_MS);
  return () => clearInterval(timer);
}

function parsed(metrics) {
  const found = [];
  for (const line of metrics.split("\n")) {
    const match = line.match(/^(\w+)(?:\{(.*)\})? (\S+)$/);
    if (!match || match[1].endsWith("_bucket")) continue;
    const labels = match[2] ? Object.fromEntries([...match[2].matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, value]) => [key, value])) : null;
    found.push({ name: match[1], labels, value: Number(match[3]) });
  }
  return found;
}

function group(title, samples) {
  if (!samples.length) return null;
  const rows = samples.map((one) =>
    h("tr", {}, h("th", { scope: "row" }, h("span", {}, one.name.replace(/^outdial_/, "").replace(/_total$/, "").replaceAll("_", " ")), one.labels ? h("small", {}, Object.values(one.labels).join(" · ")) : null), h("td", { class: "right" }, Number.isInteger(one.value) ? count(one.value) : one.value.toPrecision(3))),
  );
  return card(title, {}, scroller(title, {}, h("table", {}, h("tbody", {}, rows))));
}
