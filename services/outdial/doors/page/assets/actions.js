// What can be done from the page: each asks the HTTP interface for what anybody could ask it for.

import { get, send, sendFile } from "./api.js";
import { h, say } from "./dom.js";
import { attempt, button, commandLine, curl, dialog, download, field, spreadsheet, toast } from "./parts.js";
import { addressOf, count, masked, misspelled, plural, shortId, span, spelled } from "./words.js";

const form = (onsubmit, ...children) =>
  h("form", { onsubmit: (event) => { event.preventDefault(); onsubmit(new FormData(event.target)); } }, ...children);

export function newOutdial(page) {
  const name = h("input", { name: "name", required: true, maxlength: "255", autocomplete: "off" });
  const shown = dialog(
    "New outdial",
    form(
      async (data) => {
        const made = await attempt(() => send("POST", "/v1.0/outdials", { name: data.get("name"), detail: data.get("detail") }));
        if (made) {
          shown.close();
          page.go(`/outdials/${made.id}`);
        }
      },
      field("Name", name, "What it is called here and in reports."),
      field("Detail", h("input", { name: "detail", autocomplete: "off" })),
      h("footer", {}, h("button", { class: "button primary" }, "Create")),
      commands([["POST", "/v1.0/outdials", { name: "June" }, "outdial outdials create --name June"]]),
    ),
  );
  name.focus();
}

export function newPlan(onMade) {
  const tries = (value) => h("input", { name: "tries", value, required: true, pattern: "[0-9]+(,[0-9]+){0,4}", inputmode: "numeric" });
  const minutes = (name, value) => h("input", { name, type: "number", min: "0", step: "any", value, required: true });
  const shown = dialog(
    "New plan",
    form(
      async (data) => {
        const caps = Object.fromEntries(data.get("tries").split(",").map((value, index) => [`max_try_count_${index}`, Number(value)]));
        const body = {
          name: data.get("name"),
          dial_timeout: Math.round(Number(data.get("ring")) * 1000),
          try_interval: Math.round(Number(data.get("every")) * 60000),
          max_concurrent: Number(data.get("concurrent")),
          ...caps,
          ...(data.get("source") ? { source: { type: "tel", target: data.get("source") } } : {}),
        };
        const made = await attempt(() => send("POST", "/v1.0/outplans", body), "The plan is there.");
        if (made) {
          shown.close();
          onMade?.(made);
        }
      },
      field("Name", h("input", { name: "name", required: true, maxlength: "255", autocomplete: "off" })),
      h(
        "div",
        { class: "pair" },
        field("Ring for, seconds", minutes("ring", "30")),
        field("Between tries, minutes", minutes("every", "60")),
        field("Tries per destination", tries("3,2"), "First number three times, second twice."),
        field("Calls open at once", h("input", { name: "concurrent", type: "number", min: "0", value: "100", required: true }), "0: no limit."),
      ),
      field("Caller id", h("input", { name: "source", inputmode: "tel", placeholder: "+12025550100", autocomplete: "off" }), "Optional."),
      h("footer", {}, h("button", { class: "button primary" }, "Create")),
      commands([["POST", "/v1.0/outplans", { name: "Patient", dial_timeout: 30000, try_interval: 3600000, max_try_count_0: 3 }, "outdial outplans create --name Patient --ring 30s --every 1h --tries 3"]]),
    ),
  );
}

/** Start by the last plan, or ask for one. */
export async function start(outdialId, dialing, done) {
  if (dialing.plan) return done(await attempt(() => setDialing(outdialId, { status: "run" }), "Dialing."));
  const found = await attempt(() => get("/v1.0/outplans?page_size=100"));
  if (!found) return undefined;
  const list = h("select", { name: "outplan_id", required: true }, found.result.map((plan) => h("option", { value: plan.id }, `${plan.name || plan.id} · ${plan.max_try_count_0 + plan.max_try_count_1 + plan.max_try_count_2 + plan.max_try_count_3 + plan.max_try_count_4} tries, every ${span(plan.try_interval)}`)));
  const shown = dialog(
    "Start dialing by a plan",
    form(
      async (data) => {
        const started = await attempt(() => setDialing(outdialId, { status: "run", outplan_id: data.get("outplan_id") }), "Dialing.");
        if (started) {
          shown.close();
          done(started);
        }
      },
      found.result.length ? field("Plan", list) : h("p", {}, "There is no plan yet: it says how long to ring and how often to try."),
      h(
        "footer",
        {},
        button("New plan", { onclick: () => { shown.close(); newPlan(() => start(outdialId, dialing, done)); } }),
        found.result.length ? h("button", { class: "button primary" }, "Start") : null,
      ),
      commands([["PUT", `/v1.0/outdials/${outdialId}/dialing`, { status: "run", outplan_id: "OUTPLAN" }, `outdial run ${outdialId} --outplan OUTPLAN`]]),
    ),
  );
  return undefined;
}

export const setDialing = (outdialId, body) => send("PUT", `/v1.0/outdials/${outdialId}/dialing`, body);

/** The same for a terminal: each as curl and as a command of the program. */
export function commands(rows) {
  return h(
    "details",
    { class: "commands" },
    h("summary", {}, "From a terminal"),
    rows.map(([method, path, body, line]) => [commandLine(curl(method, path, body)), line ? commandLine(line) : null]),
  );
}

const LIST = "/v1.0/suppressions";
const SHOWN_OPEN = 5;

/**
 * Ask whom not to call any more, then whether that is meant; say which calls are out already.
 * `addresses`: those to choose from; without any, one is typed. `outdialId`: where it can hold alone. `shown`: numbers in full.
 */
export function suppress({ outdialId = null, addresses = [], shown = true, done } = {}) {
  const typed = h("input", { name: "typed", required: true, pattern: ".*\\S.*", autocomplete: "off", spellcheck: "false", placeholder: "+12025550123" });
  const all = addresses.length > 1 ? h("option", { value: "all" }, `All ${addresses.length} of them`) : null;
  const chosen = h("select", { name: "chosen" }, addresses.map((address, index) => h("option", { value: index }, masked(address, shown))), all);
  const scope = h("select", { name: "scope" }, h("option", { value: "" }, "In every outdial"), h("option", { value: outdialId }, "In this outdial only"));
  const reason = h("input", { name: "reason", maxlength: "255", autocomplete: "off", placeholder: "asked us not to call" });
  const lines = h("div", {});
  const asked = h("div", { class: "step" });

  const wanted = () => {
    const named = addresses.length ? (chosen.value === "all" ? addresses : [addresses[chosen.value]]).map(({ type, target }) => ({ address: { type, target } })) : [addressOf(typed.value.trim() || typed.placeholder)];
    const within = outdialId ? scope.value : "";
    const said = reason.value.trim();
    return {
      entries: named.map((one) => ({ ...one, ...(within ? { outdial_id: within } : {}), ...(said ? { reason: said } : {}) })),
      whom: named.map(({ address, prefix }) => (prefix ? `numbers that begin with ${prefix}` : masked(address, shown))).join(", "),
      where: within ? "in this outdial" : "in any outdial",
      within,
      said,
    };
  };
  const show = (...parts) => {
    asked.replaceChildren(...parts);
    (asked.querySelector("[data-focus]") || asked.querySelector("input, select"))?.focus();
  };
  const bad = h("p", { class: "bad", role: "alert" });
  const check = () => {
    const wrong = addresses.length ? "" : misspelled(addressOf(typed.value));
    say(bad, wrong);
    if (!wrong) confirm();
  };
  const told = () => lines.replaceChildren(suppressing(wanted(), shown));
  const choose = () =>
    show(
      form(
        check,
        addresses.length ? field("Number", chosen) : field("Number or address", typed, "A telephone number with its +, an e-mail or SIP address, or +4470* for all numbers that begin so."),
        outdialId ? field("Where", scope) : null,
        field("Reason", reason, "Optional, for people."),
        bad,
        h("footer", {}, h("button", { class: "button primary" }, "Go on")),
      ),
    );
  const confirm = () => {
    const { entries, whom, where } = wanted();
    const wrong = h("p", { class: "bad", role: "alert" });
    show(
      form(
        async () => {
          const answer = await send("POST", LIST, { entries }).catch((error) => ({ errors: Array(entries.length).fill(error) }));
          const refused = [...new Set(answer.errors.map((one) => one.message))].join("; ");
          if (answer.errors.length === entries.length) say(wrong, refused);
          else finish(answer, whom, where, refused);
        },
        h("p", {}, "Call ", h("strong", {}, whom), ` no more, ${where}?`),
        h("p", { class: "note" }, "It holds until somebody takes it off the list. A call that is out already still ends; whoever asks before placing it places none."),
        wrong,
        h("footer", {}, button("Back", { onclick: choose }), h("button", { class: "button danger", "data-focus": true }, "Call no more")),
      ),
    );
  };
  const finish = (answer, whom, where, refused) => {
    const { open, open_count: out } = answer;
    const more = out - Math.min(out, SHOWN_OPEN);
    scope.disabled = reason.disabled = true;
    show(
      h("p", { role: "status" }, "No call to ", h("strong", {}, whom), ` is requested any more, ${where}.`),
      refused ? h("p", { class: "bad" }, `Not taken: ${refused}`) : "",
      h("p", { class: "out" }, out ? `${plural(out, "call was", "calls were")} requested before and may be under way: ` : "No call to it is out.", out ? h("code", {}, open.slice(0, SHOWN_OPEN).map(shortId).join(", ")) : null, more ? ` and ${count(more)} more` : null),
      h("footer", {}, button("Close", { kind: "primary", onclick: () => shownIn.close() })),
    );
    asked.querySelector("footer button").focus();
    done?.();
  };
  for (const input of [typed, chosen, scope, reason]) input.addEventListener("input", told);
  const shownIn = dialog("Do not call", asked, lines);
  choose();
  told();
}

const quoted = (text) => (/^[\w+@.:•-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** The same for a terminal; numbers that are masked stand in full only in what is copied. */
function suppressing({ entries, within, said }, shown) {
  const whole = (seen) => {
    const hide = (address) => ({ ...address, target: masked(address, seen) });
    const named = entries.map((one) => (one.address ? { ...one, address: hide(one.address) } : one));
    const whom = named.map((one) => quoted(spelled(one))).join(" ");
    const why = said ? ` --reason ${quoted(said)}` : "";
    const line = within ? `outdial suppressions add ${whom} --outdial ${within}` : `outdial suppressions add ${whom}`;
    return [curl("POST", LIST, named.length === 1 ? named[0] : { entries: named }), line + why, `outdial suppressions remove ${whom}${within ? ` --outdial ${within}` : ""}`];
  };
  const copied = whole(true);
  return h("details", { class: "commands" }, h("summary", {}, "From a terminal"), whole(shown).map((line, index) => commandLine(copied[index], line)));
}

const KINDS = { csv: "text/csv", tsv: "text/tab-separated-values", ndjson: "application/x-ndjson", jsonl: "application/x-ndjson" };

/** Take files that are dropped on the view, or chosen. `place` is where the import is shown. */
export function importing(outdialId, place, area) {
  const chooser = h("input", { type: "file", accept: ".csv,.tsv,.ndjson,.jsonl,.txt,text/csv", class: "quiet", "aria-label": "Choose a file to import", tabindex: "-1" });
  const status = h("p", { class: "note" }, "CSV or NDJSON. Columns in any order: name, destination_0 to destination_4, priority, time_zone and others.");
  const bar = h("progress", { max: "100", value: "0", hidden: true, "aria-label": "Import" });
  const report = h("div", { class: "report" });
  const choose = button("Choose a file", { onclick: () => chooser.click() });

  const take = async (file) => {
    const kind = KINDS[file.name.split(".").pop().toLowerCase()] || "text/csv";
    report.replaceChildren();
    bar.hidden = false;
    bar.removeAttribute("value");
    say(status, `Importing ${file.name} …`);
    const began = performance.now();
    try {
      const found = await sendFile(`/v1.0/outdials/${outdialId}/import`, file, kind, (line) => {
        const rows = line.rows ?? 0;
        say(status, `Importing ${file.name}: ${count(rows)} rows, ${count(Math.round((rows * 1000) / Math.max(1, performance.now() - began)))} a second`);
      });
      told(found, file);
    } catch (error) {
      say(status, `${file.name} was not imported: ${error.message}`);
    }
    bar.hidden = true;
  };
  const told = (found, file) => {
    const refused = found.errors;
    const before = found.existing ? `, ${count(found.existing)} there already` : "";
    say(status, `${file.name}: ${plural(found.added, "target")} added${before}, ${count(found.skipped_count)} skipped as duplicates, ${plural(found.error_count, "row")} refused.`);
    toast(`${plural(found.added, "target")} added.`);
    if (!refused.length) return;
    const shown = refused.slice(0, 5).map((row) => h("li", {}, `Row ${row.row}: ${row.message}`));
    report.replaceChildren(
      h("ul", {}, shown, found.error_count > shown.length ? h("li", {}, `and ${count(found.error_count - shown.length)} more`) : null),
      button("Download refused rows", { kind: "small", sign: "↓", onclick: async () => download(`refused-${file.name.replace(/\.[^.]*$/, "")}.csv`, spreadsheet(await withText(file, refused)), "text/csv") }),
    );
  };
  chooser.addEventListener("change", () => {
    if (chooser.files[0]) take(chooser.files[0]);
    chooser.value = "";
  });
  let depth = 0;
  const listeners = {
    dragenter: (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      depth += 1;
      area.dataset.drop = "";
    },
    dragleave: () => {
      depth = Math.max(0, depth - 1);
      if (depth === 0) delete area.dataset.drop;
    },
    dragover: (event) => event.preventDefault(),
    drop: (event) => {
      event.preventDefault();
      depth = 0;
      delete area.dataset.drop;
      if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    },
  };
  for (const [name, listener] of Object.entries(listeners)) document.addEventListener(name, listener);
  place.append(
    h("div", { class: "drop" }, h("p", { class: "big" }, "Drop a list here, or anywhere on the page"), status, bar, report, h("div", { class: "buttons" }, choose, chooser)),
    commands([["POST", `/v1.0/outdials/${outdialId}/import`, undefined, `outdial import ${outdialId} people.csv`]]),
  );
  return () => {
    for (const [name, listener] of Object.entries(listeners)) document.removeEventListener(name, listener);
  };
}

const LARGEST_READ = 32_000_000;

/** The refused rows with the text they had in the file, so that they can be put right and sent again. */
async function withText(file, refused) {
  if (file.size > LARGEST_READ) return refused;
  const lines = (await file.text()).split(/\r?\n/);
  return refused.map((row) => ({ ...row, text: lines[row.line - 1] ?? "" }));
}
