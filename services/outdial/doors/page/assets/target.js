// One target: where it stands, why it is or is not called next, and everything that happened to it; also as it was at an earlier time.

import { get, send } from "./api.js";
import { commands, suppress } from "./actions.js";
import { h, say } from "./dom.js";
import { asItStands, told } from "./events.js";
import { timeBar } from "./past.js";
import { attempt, button, card, jsonLink } from "./parts.js";
import { LIFECYCLES, dated, everywhere, instant, localized, masked, plural, shortId, span } from "./words.js";

const EVERY_MS = 2000;
const AT_ONCE = 1000;
const SLOTS = [0, 1, 2, 3, 4];

export function target(page, outdialId, id) {
  const base = `/v1.0/outdials/${outdialId}/targets/${id}`;
  const path = `/outdials/${outdialId}/targets/${id}`;
  const at = new URLSearchParams(location.search).get("at");
  const then = `${base}/past?time=iso&at=${encodeURIComponent(at)}`;
  const bar = at ? timeBar(page, path, at) : null;
  const name = h("h1", { text: " " });
  const state = h("span", { class: "chip" });
  const says = h("p", { class: "verdict" });
  const facts = h("dl", { class: "facts" });
  const rules = h("ol", { class: "rules" });
  const timeline = h("ol", { class: "timeline dated" });
  const masks = button("Show numbers", { kind: "small", onclick: () => page.showNumbers(!page.numbersShown) });
  const silence = button("Do not call", {
    title: "Suppress a number: no call to it is requested any more",
    onclick: () => suppress({ outdialId, addresses: SLOTS.map((slot) => known.found[`destination_${slot}`]).filter(Boolean), shown: page.numbersShown, done: load }),
  });
  silence.hidden = true;
  const reopen = button("Dial again", {
    title: "Reopen: its tries count from 0 again",
    onclick: async () => {
      const command = { type: "ReopenTarget", id: crypto.randomUUID(), outdial_id: outdialId, target_id: id };
      if (await attempt(() => send("POST", "/v1.0/commands", command), "Its tries count from 0 again.")) load();
    },
  });
  const remove = button("Delete", {
    kind: "danger",
    onclick: async () => {
      if (await attempt(() => send("DELETE", base, {}), "Deleted: nobody calls it any more.")) load();
    },
  });

  const back = button("Look back", { sign: "↶", title: "This page as it was at an earlier time", onclick: () => page.go(`${path}?at=${known.at}`) });
  back.hidden = reopen.hidden = remove.hidden = true;

  const head = h(
      "header",
      { class: "head" },
      h("p", { class: "crumbs" }, h("a", { href: "/" }, "Outdials"), " / ", h("a", { href: `/outdials/${outdialId}` }, shortId(outdialId)), " / ", h("code", {}, shortId(id))),
      h("div", { class: "title" }, name, state, h("span", { class: "grow" }), h("div", { class: "buttons" }, silence, reopen, remove, back)),
      says,
      commands([
        ["GET", base, undefined, `outdial targets get ${outdialId} ${id}`],
        ["GET", `${base}/why`, undefined, `outdial why ${id} --outdial ${outdialId}`],
        ["GET", `${base}/history`, undefined, `outdial targets history ${outdialId} ${id}`],
        ["DELETE", base, undefined, `outdial targets delete ${outdialId} ${id}`],
      ]),
  );
  page.main.replaceChildren(
    head,
    bar ? bar.element : "",
    h(
      "div",
      { class: "grid" },
      card("Who", { more: [masks, jsonLink(at ? then : `${base}?time=iso`, "Target")] }, facts),
      at ? null : card("Why, rule by rule", { kind: "wide", more: [jsonLink(`${base}/why?time=iso`, "Why")] }, rules),
      card("What happened", { kind: "full", more: [jsonLink(`${base}/history?places=true`, "History"), jsonLink(`${base}/calls?time=iso`, "Calls", "Calls")] }, timeline),
    ),
  );

  let known = null;
  let after = "0";
  let events = [];
  const further = async () => {
    const history = await get(`${base}/history?after=${after}&limit=${AT_ONCE}&places=true`);
    after = history.next_after;
    events = [...events, ...history.result];
    return history.result.length === AT_ONCE;
  };
  const load = async () => {
    try {
      const [found, why] = await Promise.all([get(`${base}?time=iso`), get(`${base}/why?time=iso`).catch(() => null), further()]);
      known = { found, why, at: why?.at ?? new Date().toISOString() };
      page.freshness({ on: true, behind: 0 });
      show();
    } catch (error) {
      page.freshness({ on: false, why: error.status ? error.message : "the service cannot be reached" });
      if (error.status === 404) page.missing("There is no such target", "It may be on another list.");
    }
  };
  const look = async () => {
    try {
      const found = await get(then);
      while (events.length < found.version && (await further()));
      events = events.slice(0, found.version);
      known = { found: found.target, why: null, at: found.at };
      bar.show(found, found.target.tm_create, "Which rule held it was not asked then.");
      page.freshness({ on: false, then: `as it was at ${dated(instant(found.at))}` });
      show();
    } catch (error) {
      page.freshness({ on: false, why: error.status ? "this time cannot be shown" : "the service cannot be reached" });
      if (error.status === 404) page.missing("There is no such target", "It may be on another list.");
      else if (error.status) {
        say(name, `Target ${shortId(id)}`);
        page.main.replaceChildren(head, bar.refused(error.message));
      } else bar.fail("The service cannot be reached.");
    }
  };
  const show = () => {
    const { found, why } = known;
    const { word, sign } = LIFECYCLES[found.lifecycle];
    page.titled(found.name || "Target");
    say(name, found.name || `Target ${shortId(id)}`);
    say(state, `${sign} ${found.tm_delete ? "Deleted" : word}`);
    silence.hidden = back.hidden = at !== null;
    reopen.hidden = at !== null || found.status !== "done" || found.tm_delete !== null;
    remove.hidden = at !== null || found.tm_delete !== null;
    say(masks.lastElementChild, page.numbersShown ? "Hide numbers" : "Show numbers");
    const now = instant(why?.at) ?? Date.now();
    say(says, why ? localized(why.verdict) : `${word}.`);
    showFacts(facts, found, page.numbersShown);
    if (!at) showRules(rules, why, now);
    showTimeline(timeline, events, found.time_zone);
  };
  if (at) look();
  else load();
  const timer = setInterval(() => !document.hidden && !at && load(), EVERY_MS);
  const relabel = () => known && show();
  document.addEventListener("outdial:masks", relabel);
  return () => {
    clearInterval(timer);
    document.removeEventListener("outdial:masks", relabel);
  };
}

function showFacts(list, found, shown) {
  const slots = SLOTS.filter((slot) => found[`destination_${slot}`]);
  const rows = slots.map((slot) => {
    const left = found[`try_count_remaining_${slot}`];
    return [`Destination ${slot}`, `${masked(found[`destination_${slot}`], shown)} · ${plural(found[`try_count_${slot}`], "try", "tries")}${left === null ? "" : `, ${left} left`}`];
  });
  const more = [
    ["Priority", found.priority],
    ["Time zone", found.time_zone || [...new Set((found.zones || []).flat())].filter(Boolean).join(", ") || "not given"],
    ["Too late from", found.expires_at ? dated(instant(found.expires_at)) : null],
    ["Tries in all", `${found.try_count_current}${found.try_count_max === null ? "" : ` of ${found.try_count_max}`}`],
    ["Call back at", found.call_back_at ? dated(instant(found.call_back_at)) : null],
    ["Detail", found.detail || null],
    ["Joined", dated(instant(found.tm_create))],
    ["Id", found.id],
  ];
  list.replaceChildren(...[...rows, ...more].filter(([, value]) => value !== null && value !== undefined).map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, String(value)))));
}

function showRules(list, why, now) {
  if (!why?.rules?.length) {
    list.replaceChildren(h("li", { class: "none" }, "The service does not tell the rules."));
    return;
  }
  list.replaceChildren(
    ...why.rules.map((rule) => {
      const until = instant(rule.until);
      const when = rule.holds && until !== null ? ` until ${dated(until)}, ${until > now ? `in ${span(until - now)}` : "now"}` : "";
      const facts = Object.entries(rule.facts || {}).map(([key, value]) => `${key.replaceAll("_", " ")} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(" · ");
      return h("li", { "data-holds": rule.holds ? "" : null }, h("span", { class: "sign", "aria-hidden": "true" }, rule.holds ? "✕" : "✓"), h("span", {}, h("strong", {}, rule.rule.replaceAll("_", " ")), rule.holds ? ": this holds it" : ": does not hold it", when, facts ? h("small", {}, facts) : null));
    }),
  );
}

function showTimeline(list, events, zone) {
  if (Number(list.dataset.shown || 0) === events.length) return;
  list.dataset.shown = events.length;
  const began = new Map();
  const items = events.map((event) => {
    const at = instant(event.time);
    if (event.type === "DialRequested") began.set(event.data.attempt_id, at);
    const rang = event.type === "DialEnded" && began.has(event.data.attempt_id) ? at - began.get(event.data.attempt_id) : null;
    return h(
      "li",
      { "data-type": event.type, "data-outcome": event.data.outcome },
      h("time", { datetime: event.time, title: everywhere(at, zone) }, dated(at)),
      h(
        "div",
        {},
        h("p", { class: "what" }, told(event), event.type === "DialRequested" ? ` · destination ${event.data.destination_index}, try ${event.data.try_count}` : null, rang === null ? null : ` after ${span(rang)}`),
        rang === null ? null : h("span", { class: "meter", "aria-hidden": "true", vars: { share: Math.min(1, rang / 60000) } }),
        asItStands(event, hidden(event)),
      ),
    );
  });
  list.replaceChildren(...items.reverse());
}

/** The event as it stands in the log, but for whom it would call. */
function hidden(event) {
  if (!event.data.personal) return event;
  const destinations = event.data.personal.destinations.map((address) => (address ? { ...address, target: masked(address) } : null));
  return { ...event, data: { ...event.data, personal: { ...event.data.personal, destinations } } };
}
