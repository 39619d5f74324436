// Who is on a list, or those of one kind. The service keeps a list by age alone: the page looks through it from the newest on, some at a time.

import { get } from "./api.js";
import { h, say } from "./dom.js";
import { button, card, jsonLink, scroller } from "./parts.js";
import { LIFECYCLES, clock, count, masked, shortId } from "./words.js";

const PAGE = 100;
const MOST_PAGES = 10;
const KINDS = {
  all: ["Everybody", () => true],
  waiting: ["Waiting", (target) => target.status === "idle"],
  open: ["In progress", (target) => target.status === "progressing"],
  reached: ["Reached", (target) => target.lifecycle === "finished"],
  spent: ["Out of tries", (target) => target.lifecycle === "failed"],
};

export function targets(page, id) {
  const base = `/v1.0/outdials/${id}/targets?time=iso&page_size=${PAGE}`;
  const wanted = new URLSearchParams(location.search).get("show");
  const choice = h("select", { "aria-label": "Show", "data-search": true }, Object.entries(KINDS).map(([name, [label]]) => h("option", { value: name, selected: name === wanted }, label)));
  const body = h("tbody");
  const told = h("p", { class: "note", role: "status" });
  const more = button("Look further", { onclick: () => look() });
  const masks = button("Show numbers", { kind: "small", onclick: () => page.showNumbers(!page.numbersShown) });
  let token = "";
  let looked = 0;
  let found = [];
  let run = 0;

  page.main.replaceChildren(
    h(
      "header",
      { class: "head" },
      h("p", { class: "crumbs" }, h("a", { href: "/" }, "Outdials"), " / ", h("a", { href: `/outdials/${id}` }, shortId(id)), " / targets"),
      h("div", { class: "title" }, h("h1", {}, "Targets"), choice),
    ),
    card(
      "Newest first",
      { more: [masks, jsonLink(base, "Targets")] },
      scroller("Targets", { kind: "scroll-x" }, h("table", { class: "calls" }, h("thead", {}, h("tr", {}, ["Name", "Number", "State", "Tries", "Last"].map((name) => h("th", { scope: "col" }, name)))), body)),
      told,
      more,
    ),
  );
  page.titled("Targets");

  const row = (target) => {
    const { word, sign } = LIFECYCLES[target.lifecycle];
    const first = [0, 1, 2, 3, 4].map((slot) => target[`destination_${slot}`]).find(Boolean);
    return h(
      "tr",
      { "data-item": true },
      h("th", { scope: "row" }, h("a", { href: `/outdials/${id}/targets/${target.id}` }, target.name || shortId(target.id))),
      h("td", { class: "address" }, masked(first, page.numbersShown)),
      h("td", {}, h("span", { "aria-hidden": "true" }, sign), ` ${word}`),
      h("td", {}, count(target.try_count_current)),
      h("td", {}, (target.last_outcome || "–").replaceAll("_", " ")),
    );
  };
  const show = () => {
    body.replaceChildren(...found.map(row));
    say(masks.lastElementChild, page.numbersShown ? "Hide numbers" : "Show numbers");
  };
  const look = async () => {
    const mine = ++run;
    const [, fits] = KINDS[choice.value];
    const before = found.length;
    more.hidden = true;
    say(told, "Looking …");
    try {
      for (let pages = 0; pages < MOST_PAGES && found.length - before < PAGE && token !== null; pages += 1) {
        const answer = await get(token ? `${base}&page_token=${encodeURIComponent(token)}` : base);
        if (mine !== run) return;
        token = answer.result.length < PAGE ? null : answer.next_page_token;
        looked += answer.result.length;
        found.push(...answer.result.filter(fits));
      }
      show();
      more.hidden = token === null;
      say(told, `${count(found.length)} shown; ${token === null ? `all ${count(looked)}` : `the newest ${count(looked)}`} looked at.`);
      page.freshness({ on: false, read: `the list as it was at ${clock(Date.now())}` });
    } catch (error) {
      if (mine !== run) return;
      if (error.status === 404) page.missing("There is no such outdial", "It may belong to another customer, or the address is wrong.");
      more.hidden = false;
      say(told, error.message);
      page.freshness({ on: false, why: error.status ? error.message : "the service cannot be reached" });
    }
  };
  choice.addEventListener("change", () => {
    history.replaceState(null, "", `${location.pathname}?show=${choice.value}`);
    [token, looked, found] = ["", 0, []];
    look();
  });
  look();
  document.addEventListener("outdial:masks", show);
  return () => {
    run += 1;
    document.removeEventListener("outdial:masks", show);
  };
}
