// Who did what to an outdial, and when: every event about the list itself, none of its calls. To be filtered, and taken along as a file.

import { get } from "./api.js";
import { commands } from "./actions.js";
import { asItStands, changesHref, changesOf, difference, planChanges, told } from "./events.js";
import { h, say } from "./dom.js";
import { button, card, download, jsonLink, spreadsheet } from "./parts.js";
import { clock, dated, everywhere, instant, plural, shortId } from "./words.js";

const KINDS = {
  people: ["Runs, plans and the list", (type) => !/^(CommandNoted|Share|Plan(?!Applied))/.test(type)],
  runs: ["Runs", (type) => type.startsWith("Dialing")],
  plans: ["Plans", (type) => type.startsWith("Plan")],
  all: ["Everything", () => true],
};
const NOBODY = "nobody named";

/** What somebody wrote, as a spreadsheet shows it: it takes a text that begins so for a formula. */
const text = (words) => (/^[=+\-@\t\r]/.test(words) ? `'${words}` : words);

export function changes(page, id) {
  const kind = h("select", { "aria-label": "What", "data-search": true }, Object.entries(KINDS).map(([name, [label]]) => h("option", { value: name }, label)));
  const who = h("select", { "aria-label": "Who" }, h("option", { value: "" }, "Everybody"));
  const list = h("ol", { class: "timeline dated" });
  const counted = h("p", { class: "note", role: "status" });
  const nameless = h("p", { class: "note", hidden: true }, "Nobody is named: a name is known only of who comes as a user or by an access key (", h("code", {}, "outdial users"), ", ", h("code", {}, "outdial accesskeys"), ").");
  const title = h("h1", {}, "Who did what");
  const save = (name, title) => button(name, { kind: "small", sign: "↓", title, onclick: () => take(name.toLowerCase()) });

  page.main.replaceChildren(
    h(
      "header",
      { class: "head" },
      h("p", { class: "crumbs" }, h("a", { href: "/" }, "Outdials"), " / ", h("a", { href: `/outdials/${id}` }, shortId(id)), " / changes"),
      h("div", { class: "title" }, title, h("span", { class: "grow" }), kind, who),
      commands([["GET", `/v1.0/events?outdial_id=${id}&targets=false`, undefined, `outdial events --outdial ${id} --json`]]),
    ),
    card("Newest first", { more: [save("CSV", "What is shown, as a table"), save("NDJSON", "What is shown, an event a line"), jsonLink(changesHref(id), "Events")] }, counted, nameless, list),
  );
  page.titled("Changes");

  let events = [];
  let plans = new Map();
  const actorOf = (event) => event.actor || NOBODY;
  const shown = () => events.filter((event) => KINDS[kind.value][1](event.type) && (who.value === "" || actorOf(event) === who.value));
  const show = () => {
    const found = shown();
    list.replaceChildren(...found.map((event) => item(id, event, plans)).reverse());
    say(counted, found.length === events.length ? plural(found.length, "event") : `${found.length} of ${plural(events.length, "event")}`);
  };
  const take = (form) => {
    const found = shown();
    const rows = found.map((event) => ({ time: event.time, type: event.type, what: text(told({ ...event, actor: "" })), actor: text(event.actor || ""), reason: text(event.data.reason || ""), sequence: event.sequence, position: event.position, event_id: event.id, command_id: event.causationid }));
    if (form === "csv") download(`changes-${shortId(id)}.csv`, spreadsheet(rows), "text/csv");
    else download(`changes-${shortId(id)}.ndjson`, found.map((event) => `${JSON.stringify(event)}\n`).join(""), "application/x-ndjson");
  };
  const load = async () => {
    try {
      const [found, all] = await Promise.all([get(`/v1.0/outdials/${id}`), changesOf(id)]);
      events = all;
      say(title, `Who did what: ${found.name || shortId(id)}`);
      nameless.hidden = events.length === 0 || events.some((event) => event.actor);
      plans = planChanges(events);
      who.replaceChildren(who.firstElementChild, ...[...new Set(events.map(actorOf))].sort().map((name) => h("option", { value: name }, name)));
      show();
      page.freshness({ on: false, read: `as it was at ${clock(Date.now())}` });
    } catch (error) {
      if (error.status === 404) page.missing("There is no such outdial", "It may belong to another customer, or the address is wrong.");
      else say(counted, error.message);
      page.freshness({ on: false, why: error.status ? error.message : "the service cannot be reached" });
    }
  };
  kind.addEventListener("change", show);
  who.addEventListener("change", show);
  load();
  return () => {};
}

function item(id, event, plans) {
  const at = instant(event.time);
  const changed = event.type === "PlanApplied" && event.data.version > 1 ? plans.get(event.data.version) : null;
  return h(
    "li",
    { "data-type": event.type },
    h("time", { datetime: event.time, title: everywhere(at) }, dated(at)),
    h("div", {}, h("p", { class: "what" }, told(event)), changed ? difference(changed) : null, asItStands(event), h("a", { class: "back", href: `/outdials/${id}?at=${event.sequence}` }, "The page then")),
  );
}
