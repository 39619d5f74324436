// Looking back: where in the past a view is, and the way to other times.

import { h, mark, say } from "./dom.js";
import { button } from "./parts.js";
import { count, dated, everywhere, instant } from "./words.js";

/** The bar over a view of an earlier time. `path`: of the view as it is now; `at`: the time, or a number of events, as the address has it. */
export function timeBar(page, path, at) {
  const slider = h("input", { type: "range", step: "1000", "aria-label": "Time", disabled: true });
  const when = h("strong");
  const says = h("span", { class: "note", role: "status" }, "Folding the events of then …");
  const go = (wanted) => {
    page.sliding = document.activeElement === slider;
    page.replace(`${path}?at=${wanted}`);
  };
  const before = button("Event before", { kind: "small", sign: "◀" });
  const after = button("Event after", { kind: "small", sign: "▶" });
  const live = button("Back to live", { kind: "small", onclick: () => page.go(path) });
  slider.addEventListener("input", () => say(when, dated(Number(slider.value))));
  slider.addEventListener("change", () => go(new Date(Number(slider.value)).toISOString()));
  const element = h("section", { class: "card then", "aria-label": "Looking back" }, h("p", {}, "As it was at ", when), slider, h("div", { class: "buttons" }, before, after, live), says);
  say(when, /^\d+$/.test(at) ? `event ${at}` : Number.isNaN(instant(at)) ? at : dated(instant(at)));
  return {
    element,
    /** What was found: at which of its events. `begins`: when the first was; `note`: what else to know. */
    show(found, begins, note) {
      const moment = instant(found.at);
      slider.min = Math.ceil(instant(begins) / 1000) * 1000;
      slider.max = Math.max(moment, instant(found.now));
      slider.value = moment;
      slider.disabled = false;
      say(when, dated(moment));
      mark(when, "title", everywhere(moment));
      mark(slider, "aria-valuetext", dated(moment));
      say(says, `After event ${count(found.version)} of ${count(found.newest)}, folded from the log just now. ${note}`);
      before.disabled = found.version <= 1;
      after.disabled = found.version >= found.newest;
      before.onclick = () => go(found.version - 1);
      after.onclick = () => go(found.version + 1);
      if (page.sliding) slider.focus();
      page.sliding = false;
    },
    fail: (message) => say(says, message),
    refused: (message) => h("div", { class: "card refused", role: "alert" }, h("p", { class: "bad" }, message), h("p", {}, h("a", { href: path }, "Show it as it is now"))),
  };
}
