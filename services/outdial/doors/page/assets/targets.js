// Who is on a list: those of one kind, or who is looked for. The service keeps a list by age alone: the page looks through it from the newest
// on, some at a time, and compares here what is looked for, so that no number gets into an address or a log.

import { get } from "./api.js";
import { h, say } from "./dom.js";
import { button, card, jsonLink, scroller } from "./parts.js";
import { LIFECYCLES, clock, count, masked, shortId } from "./words.js";

const PAGE = 100;
const MOST_PAGES = 10;
const SOME_ID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
const NOTES = { waiting: "Due now, due later and without a try alike: the list does not tell them apart. The page of each says which." };
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
  const find = h("input", { type: "search", placeholder: "Name, number or id", "aria-label": "Find by name, number or id", autocomplete: "off", spellcheck: "false", "data-search": true });
  const choice = h("select", { "aria-label": "Show" }, Object.entries(KINDS).map(([name, [label]]) => h("option", { value: name, selected: name === wanted }, label)));
  const body = h("tbody");
  const note = h("p", { class: "note" });
  const told = h("p", { class: "note", role: "status" });
  const more = button("Look further", { onclick: () => look() });
  const masks = button("Show numbers", { kind: "small", onclick: () => page.showNumbers(!page.numbersShown) });
  let token = "";
  let looked = 0;
  let fitting = [];
  let found = [];
  let run = 0;

  page.main.replaceChildren(
    h(
      "header",
      { class: "head" },
      h("p", { class: "crumbs" }, h("a", { href: "/" }, "Outdials"), " / ", h("a", { href: `/outdials/${id}` }, shortId(id)), " / targets"),
      h("div", { class: "title" }, h("h1", {}, "Targets"), h("span", { class: "grow" }), find, choice),
      note,
    ),
    card(
      "Newest first",
      { more: [masks, jsonLink(base, "Targets")] },
      scroller("Targets", { kind: "scroll-x" }, h("table", { class: "calls" }, h("thead", {}, h("tr", {}, ["Name", "Number", "State", "Tries"].map((name) => h("th", { scope: "col" }, name)))), body)),
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
    );
  };
  const numbered = () => say(told, `${count(found.length)} shown; ${token === null ? `all ${count(looked)}` : `the newest ${count(looked)}`} looked at.${token === null || find.value.trim() === "" ? "" : " Enter looks further."}`);
  const show = () => {
    found = fitting.filter(matching(find.value));
    say(note, NOTES[choice.value] || "");
    body.replaceChildren(...found.map(row));
    say(masks.lastElementChild, page.numbersShown ? "Hide numbers" : "Show numbers");
  };
  const look = async () => {
    const mine = ++run;
    const [, fits] = KINDS[choice.value];
    const before = found.length;
    const wanted = matching(find.value);
    more.hidden = true;
    say(told, "Looking …");
    try {
      for (let pages = 0; pages < MOST_PAGES && found.length - before < PAGE && token !== null; pages += 1) {
        const answer = await get(token ? `${base}&page_token=${encodeURIComponent(token)}` : base);
        if (mine !== run) return;
        token = answer.result.length < PAGE ? null : answer.next_page_token;
        looked += answer.result.length;
        fitting.push(...answer.result.filter(fits));
        found = fitting.filter(wanted);
      }
      show();
      more.hidden = token === null;
      numbered();
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
    [token, looked, fitting, found] = ["", 0, [], []];
    look();
  });
  find.addEventListener("input", () => {
    show();
    numbered();
  });
  find.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const typed = find.value.trim().toLowerCase();
    if (SOME_ID.test(typed)) page.go(`/outdials/${id}/targets/${typed}`);
    else if (token !== null && !more.hidden) look();
  });
  look();
  document.addEventListener("outdial:masks", show);
  return () => {
    run += 1;
    document.removeEventListener("outdial:masks", show);
  };
}

/** Whether somebody is the one who is looked for: by part of a name or address, by digits of a number, by how an id begins. */
function matching(text) {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return () => true;
  const digits = /^[+\d ()./-]+$/.test(wanted) ? wanted.replace(/\D/g, "") : "";
  const addresses = (target) => [0, 1, 2, 3, 4].map((slot) => target[`destination_${slot}`]?.target || "");
  return (target) =>
    (target.name || "").toLowerCase().includes(wanted) ||
    target.id.startsWith(wanted) ||
    addresses(target).some((address) => address.toLowerCase().includes(wanted) || (digits.length > 2 && address.replace(/\D/g, "").includes(digits)));
}
