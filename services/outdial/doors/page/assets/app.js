// The frame around the views: where we are, how fresh it is, the keyboard, the token, and what went wrong.

import { onTokenNeeded, token } from "./api.js";
import { h, mark, say } from "./dom.js";
import { changes } from "./changes.js";
import { dialog, field, showJson } from "./parts.js";
import { outdial } from "./outdial.js";
import { overview } from "./overview.js";
import { system } from "./system.js";
import { target } from "./target.js";
import { targets } from "./targets.js";

const ID = "([0-9a-fA-F-]{36})";
const VIEWS = [
  [/^\/$/, overview, "overview"],
  [/^\/system$/, system, "system"],
  [new RegExp(`^/outdials/${ID}$`), outdial, "overview"],
  [new RegExp(`^/outdials/${ID}/changes$`), changes, "overview"],
  [new RegExp(`^/outdials/${ID}/targets$`), targets, "overview"],
  [new RegExp(`^/outdials/${ID}/targets/${ID}$`), target, "overview"],
];
const STALE_MS = 2500;
const main = document.getElementById("main");
const badge = document.getElementById("freshness");

// --- what went wrong --------------------------------------------------------------------------------

function fault(message) {
  const close = h("button", { type: "button", class: "close", "aria-label": "Dismiss", onclick: () => bar.remove() }, "✕");
  const bar = h("p", { class: "fault" }, h("strong", {}, "This page has a fault: "), message, " Reload it; if it comes again, it is worth a report.", close);
  document.getElementById("faults").replaceChildren(bar);
}
addEventListener("error", (event) => fault(event.message));
addEventListener("unhandledrejection", (event) => fault(event.reason?.message || String(event.reason)));
addEventListener("securitypolicyviolation", (event) => fault(`${event.violatedDirective} was broken by ${event.blockedURI || event.sourceFile}.`));

// --- how fresh it is --------------------------------------------------------------------------------

let line = { on: false, begins: true };
let heard = performance.now();
function freshness(state) {
  line = state;
  if (state.on) heard = performance.now();
  sayFreshness();
}
function sayFreshness() {
  const age = performance.now() - heard;
  const behind = (line.behind || 0) + age;
  let state = "off";
  let told = `not live: ${line.why}`;
  if (line.then) [state, told] = ["then", line.then];
  else if (line.read) [state, told] = ["read", line.read];
  else if (line.on && line.late) told = `not live: ${line.late.replaceAll("_", " ")}`;
  else if (line.on && age > STALE_MS) told = `not live: silent for ${Math.round(age / 1000)} s`;
  else if (line.on) {
    state = "on";
    told = `live, ${(behind / 1000).toFixed(1)} s behind`;
  } else if (line.begins) [state, told] = ["wait", "connecting"];
  mark(badge, "data-state", state);
  say(badge.lastElementChild, told);
}
setInterval(sayFreshness, 500);

// --- where we are -----------------------------------------------------------------------------------

const page = {
  main,
  freshness,
  numbersShown: false,
  go(path) {
    history.pushState(null, "", path);
    show();
  },
  replace(path) {
    history.replaceState(null, "", path);
    show();
  },
  titled(title) {
    document.title = `${title} · Outdial`;
  },
  showNumbers(wanted) {
    page.numbersShown = wanted;
    document.dispatchEvent(new Event("outdial:masks"));
  },
  missing(title, text) {
    main.replaceChildren(h("div", { class: "empty" }, h("h1", {}, title), h("p", {}, text), h("p", {}, h("a", { href: "/" }, "All outdials"))));
    page.titled(title);
  },
};

let leave = () => {};
function show() {
  leave();
  leave = () => {};
  freshness({ on: false, begins: true });
  for (const [pattern, view, nav] of VIEWS) {
    const found = location.pathname.match(pattern);
    if (!found) continue;
    for (const link of document.querySelectorAll("[data-nav]")) mark(link, "aria-current", link.dataset.nav === nav ? "page" : null);
    leave = view(page, ...found.slice(1).map((id) => id.toLowerCase())) || (() => {});
    return;
  }
  page.missing("There is nothing here", "The address is wrong.");
}
addEventListener("popstate", show);
addEventListener("pagehide", () => leave());
addEventListener("pageshow", (event) => event.persisted && show());

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || link.origin !== location.origin) return;
  if (link.matches("[data-json], .json")) {
    event.preventDefault();
    showJson(link.href, link.dataset.json);
  } else if (VIEWS.some(([pattern]) => pattern.test(link.pathname)) && !link.hasAttribute("download")) {
    event.preventDefault();
    if (link.pathname + link.search !== location.pathname + location.search) {
      page.go(link.pathname + link.search);
      scrollTo(0, 0);
      main.focus({ preventScroll: true });
    }
  }
});

// --- the keyboard -----------------------------------------------------------------------------------

const KEYS = [
  ["j", "k", "next and previous row"],
  ["Enter", "", "open the row"],
  ["/", "", "find or filter"],
  ["g", "", "all outdials"],
  ["s", "", "system"],
  ["?", "", "this help"],
  ["Esc", "", "close, or leave the field"],
];
function help() {
  dialog(
    "Keyboard",
    h("table", { class: "keys" }, KEYS.map(([first, second, means]) => h("tr", {}, h("th", { scope: "row" }, h("kbd", {}, first), second ? [" ", h("kbd", {}, second)] : null), h("td", {}, means)))),
  );
}
function move(by) {
  const items = [...document.querySelectorAll("[data-item]")].filter((item) => item.offsetParent !== null);
  if (!items.length) return;
  const at = items.findIndex((item) => item.contains(document.activeElement));
  const next = items[at < 0 ? (by > 0 ? 0 : items.length - 1) : Math.min(items.length - 1, Math.max(0, at + by))];
  next.querySelector("a")?.focus();
  next.scrollIntoView({ block: "nearest" });
}
document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey) return;
  const typing = event.target.matches?.("input, textarea, select");
  if (event.key === "Escape" && typing) event.target.blur();
  if (typing || document.querySelector("dialog[open]")) return;
  const does = {
    j: () => move(1),
    k: () => move(-1),
    "/": () => {
      const list = document.querySelector("a[data-find]");
      if (list) page.go(list.pathname);
      document.querySelector("[data-search]")?.focus();
    },
    "?": help,
    g: () => page.go("/"),
    s: () => page.go("/system"),
  }[event.key];
  if (does) {
    event.preventDefault();
    does();
  }
});

// --- the token --------------------------------------------------------------------------------------

onTokenNeeded(
  (why) =>
    new Promise((resolve) => {
      const input = h("input", { name: "token", type: "password", required: true, autocomplete: "off", spellcheck: "false" });
      const form = h(
        "form",
        {
          onsubmit: (event) => {
            event.preventDefault();
            token.set(input.value.trim());
            shown.close();
          },
        },
        why ? h("p", { class: "bad", role: "alert" }, why) : null,
        field("Token", input, "It is kept for this tab only and sent as a header."),
        h("footer", {}, h("button", { class: "button primary" }, "Go on")),
      );
      const shown = dialog("This service asks for a token", form);
      shown.addEventListener("close", () => resolve());
      input.focus();
    }),
);

document.documentElement.toggleAttribute("data-wall", new URLSearchParams(location.search).get("wall") === "1");
show();
