// Parts that several views have: numbers with their JSON, state chips, cards, dialogs, lines to copy.

import { get, text as getText } from "./api.js";
import { h, mark, say } from "./dom.js";
import { STATES, count } from "./words.js";

/** Where a number stands: the address, and where in its JSON. `source` is an address, or one part of what an address answers. */
export function locate(source, path) {
  if (!source.part) return [source.href ?? source, path];
  return [source.href, path.replace(/[a-z_]+(?:[.[][\w.[\]]*)?(?=$|[-+)])/g, (one) => `${source.part}.${one}`)];
}

/** A number that leads to the JSON it is from. `path` says where in it: `lifecycle.finished`, `waiting-due_now`, `sum(requested)`, `max(by_try.key)`. */
export function number(source, inPart, label) {
  const [href, path] = locate(source, inPart);
  const element = h("a", { class: "n", href, "data-json": path, title: `${label}: open its JSON`, "aria-label": label });
  const value = h("span", { text: "–" });
  element.append(value);
  return {
    element,
    set(next) {
      say(value, count(next));
      mark(element, "aria-label", `${label}: ${count(next)}`);
    },
  };
}

/** Opens what is behind something as it is sent; `label` where it stands beside another. */
export const jsonLink = (source, what, label = "JSON") => h("a", { class: "json", href: locate(source, "")[0], title: `${what} as sent` }, label);

/** A box that scrolls, and fades where it has more to show. `kind`: "scroll", or "scroll-x" for one as high as what is in it. */
export function scroller(label, { kind = "scroll" } = {}, ...children) {
  const element = h("div", { class: kind, tabindex: "0", role: "group", "aria-label": label }, ...children);
  const fade = () => {
    mark(element, "data-right", element.scrollWidth - element.clientWidth - element.scrollLeft > 1 ? "" : null);
    mark(element, "data-below", element.scrollHeight - element.clientHeight - element.scrollTop > 1 ? "" : null);
  };
  const sizes = new ResizeObserver(fade);
  for (const one of [element, ...element.children]) sizes.observe(one);
  element.addEventListener("scroll", fade, { passive: true });
  return element;
}

export function chip() {
  const sign = h("span", { "aria-hidden": "true" });
  const word = h("span");
  const element = h("span", { class: "chip" }, sign, word);
  return {
    element,
    set(state) {
      const known = STATES[state] || STATES.stop;
      mark(element, "data-tone", known.tone);
      say(sign, known.sign);
      say(word, known.word);
    },
  };
}

let cards = 0;
/** A titled section; `more` stands at the right of its title. */
export function card(title, { kind = "", more = [], note = "" } = {}, ...children) {
  const id = `card-${++cards}`;
  return h(
    "section",
    { class: `card ${kind}`, "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title), note ? h("p", { class: "note" }, note) : null, h("span", { class: "more" }, more)),
    ...children,
  );
}

/** A bar of parts that add up; each has a pattern of its own beside its colour. */
export function stack(names) {
  const parts = names.map((name) => h("span", { class: "part", "data-part": name }));
  const element = h("span", { class: "stack", "aria-hidden": "true" }, parts);
  return {
    element,
    set(values, whole) {
      parts.forEach((part, index) => part.style.setProperty("--share", whole ? values[index] / whole : 0));
    },
  };
}

export function button(label, { kind = "", sign = "", onclick, title } = {}) {
  return h("button", { type: "button", class: `button ${kind}`, onclick, title }, sign ? h("span", { "aria-hidden": "true" }, sign) : null, h("span", {}, label));
}

/** A line of a terminal, with a button that copies it. `shown`: what stands there in place of it. */
export function commandLine(line, shown = line) {
  const copy = button("Copy", {
    kind: "small",
    onclick: async () => {
      await navigator.clipboard.writeText(line).catch(() => toast("The browser does not let this page copy; select the line instead."));
      say(copy.lastElementChild, "Copied");
      setTimeout(() => say(copy.lastElementChild, "Copy"), 1500);
    },
  });
  copy.setAttribute("aria-label", `Copy: ${shown}`);
  return h("div", { class: "line" }, h("code", { tabindex: "0" }, shown), copy);
}

export function curl(method, path, body) {
  const parts = ["curl", ...(method === "GET" ? [] : ["-X", method]), `'${location.origin}${path}'`];
  if (sessionStorage.getItem("outdial.token")) parts.push('-H "Authorization: Bearer $OUTDIAL_TOKEN"');
  if (body !== undefined) parts.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`);
  return parts.join(" ");
}

/** A dialog that closes by Escape, by its button, and by a click beside it. */
export function dialog(title, ...children) {
  const close = h("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => element.close() }, "✕");
  const element = h("dialog", { "aria-label": title }, h("header", {}, h("h2", {}, title), close), ...children);
  element.addEventListener("close", () => element.remove());
  element.addEventListener("click", (event) => {
    if (event.target === element) element.close();
  });
  document.body.append(element);
  element.showModal();
  return element;
}

/** The JSON behind something: asked for with the token, as a plain link could not be. */
export async function showJson(href, path) {
  const url = new URL(href, location.href);
  const code = h("pre", { tabindex: "0" }, "…");
  dialog(`GET ${url.pathname}`, path ? h("p", { class: "note" }, "This number: ", h("code", {}, path)) : null, commandLine(curl("GET", url.pathname + url.search)), code);
  try {
    code.textContent = url.pathname.startsWith("/v1.0/") || url.pathname === "/readyz" ? JSON.stringify(await get(url.pathname + url.search), null, 2) : await getText(url.pathname);
  } catch (error) {
    code.textContent = error.message;
  }
}

export function toast(message, kind = "") {
  const element = h("p", { class: `toast ${kind}` }, message);
  document.getElementById("toasts").append(element);
  setTimeout(() => element.remove(), kind === "bad" ? 9000 : 4000);
}

/** Do something, and say it when it was refused. Returns what it gave, or null. */
export async function attempt(work, done) {
  try {
    const found = await work();
    if (done) toast(done);
    return found ?? true;
  } catch (error) {
    toast(error.message, "bad");
    return null;
  }
}

export function field(label, input, hint) {
  return h("label", { class: "field" }, h("span", {}, label), input, hint ? h("small", {}, hint) : null);
}

/** Rows as CSV, a column for every name that any of them has. */
export function spreadsheet(rows) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names, ...rows.map((row) => names.map((name) => row[name]))].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

export function download(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
