// Who is on a list: all of it, or those that one number of its page counts; and who is looked for. The service says who stands how; what is
// looked for is compared here, from the newest on and some at a time, so that no number gets into an address or a log.

import { get } from "./api.js";
import { h, mark, say } from "./dom.js";
import { button, card, jsonLink, scroller } from "./parts.js";
import { LIFECYCLES, clock, count, masked, shortId } from "./words.js";

const PAGE = 100;
const MOST_PAGES = 10;
const SOME_ID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
const KINDS = [
  ["", "Everybody"],
  ["due_now", "Due now"],
  ["due_later", "Due later"],
  ["no_tries", "No try left by plan"],
  ["in_progress", "In progress"],
  ["reached", "Reached"],
  ["out_of_tries", "Out of tries"],
];
const NOTES = {
  due_now: "Their wait is over and their hours are open, at the moment this list was read.",
  due_later: "They wait for their next try, or for their hours to open, at the moment this list was read.",
  no_tries: "The plan in force gives them no try, or a rule of their own takes it away. The page of each says which.",
};

export function targets(page, id) {
  const wanted = new URLSearchParams(location.search).get("show");
  const base = () => `/v1.0/outdials/${id}/targets?time=iso&page_size=${PAGE}${choice.value && `&standing=${choice.value}`}`;
  const find = h("input", { type: "search", placeholder: "Name, number or id", "aria-label": "Find by name, number or id", autocomplete: "off", spellcheck: "false", "data-search": true });
  const choice = h("select", { "aria-label": "Show" }, KINDS.map(([name, label]) => h("option", { value: name, selected: name === wanted }, label)));
  const body = h("tbody");
  const note = h("p", { class: "note" });
  const told = h("p", { class: "note", role: "status" });
  const more = button("Look further", { onclick: () => look() });
  const masks = button("Show numbers", { kind: "small", onclick: () => page.showNumbers(!page.numbersShown) });
  const json = jsonLink(base(), "Targets");
  let token = "";
  let looked = [];
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
      { more: [masks, json] },
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
  const numbered = () => say(told, `${count(found.length)} shown; ${token === null ? `all ${count(looked.length)}` : `the newest ${count(looked.length)}`} looked at.${token === null || find.value.trim() === "" ? "" : " Enter looks further."}`);
  const show = () => {
    found = looked.filter(matching(find.value));
    say(note, NOTES[choice.value] || "");
    body.replaceChildren(...found.map(row));
    say(masks.lastElementChild, page.numbersShown ? "Hide numbers" : "Show numbers");
  };
  const look = async () => {
    const mine = ++run;
    const before = found.length;
    const wanted = matching(find.value);
    more.hidden = true;
    say(told, "Looking …");
    try {
      for (let pages = 0; pages < MOST_PAGES && found.length - before < PAGE && token !== null; pages += 1) {
        const answer = await get(token ? `${base()}&page_token=${encodeURIComponent(token)}` : base());
        if (mine !== run) return;
        token = answer.result.length < PAGE ? null : answer.next_page_token;
        looked.push(...answer.result);
        found = looked.filter(wanted);
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
    history.replaceState(null, "", location.pathname + (choice.value && `?show=${choice.value}`));
    mark(json, "href", base());
    [token, looked, found] = ["", [], []];
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
