// The HTTP interface as the page uses it. A token is kept for this tab only, and goes into a header, never into an address.

const KEPT = "outdial.token";

export const token = {
  get: () => sessionStorage.getItem(KEPT),
  set: (text) => sessionStorage.setItem(KEPT, text),
  drop: () => sessionStorage.removeItem(KEPT),
};

/** A refusal: `status`, `reason`, `message` as the service said it. */
export class Refused extends Error {
  constructor(status, error) {
    super(error?.message || `the service answered ${status}`);
    this.status = status;
    this.reason = error?.reason || "";
    this.rule = error?.details?.[0]?.rule || "";
  }
}

let askToken = async () => null;
/** Whoever asks for a token: called once however many requests need it. */
export function onTokenNeeded(ask) {
  let asking = null;
  askToken = (why) => (asking ??= ask(why).finally(() => (asking = null)));
}

function headers(more) {
  const known = token.get();
  return { Accept: "application/json", "Outdial-Time": "iso", ...(known ? { Authorization: `Bearer ${known}` } : {}), ...more };
}

/** The service was not reached: nobody knows whether it did what it was asked for. */
class Away extends Error {
  constructor() {
    super("The service cannot be reached. See whether it is running and you are online; then look whether it was done, and try again.");
  }
}

async function reached(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    throw options.signal?.aborted ? error : new Away();
  }
}

async function asked(path, options) {
  for (;;) {
    const sent = token.get();
    const answer = await reached(path, { ...options, headers: headers(options.headers), cache: "no-store", credentials: "omit" });
    if (answer.status !== 401) return answer;
    if (token.get() === sent) {
      token.drop();
      await askToken(sent ? "This token is not known here." : "");
    }
  }
}

async function taken(answer) {
  const text = await answer.text();
  let body = text;
  if ((answer.headers.get("content-type") || "").includes("json") && text) body = JSON.parse(text);
  if (!answer.ok) throw new Refused(answer.status, body?.error);
  return body;
}

export const get = async (path, signal) => taken(await asked(path, { method: "GET", signal }));
export const text = async (path) => (await asked(path, { method: "GET" })).text();

/** Change something. A body that is no file is sent as JSON; a POST has a key, so that sending it again changes nothing. */
export async function send(method, path, body, more = {}) {
  const isFile = body instanceof Blob;
  const kind = isFile ? {} : { "Content-Type": "application/json" };
  const key = method === "POST" && !isFile ? { "Idempotency-Key": crypto.randomUUID() } : {};
  return taken(await asked(path, { method, body: isFile ? body : JSON.stringify(body ?? {}), headers: { ...kind, ...key, ...more } }));
}

/** Send a file and hear how far it is: `onProgress` gets the lines that come before the report. */
export async function sendFile(path, file, kind, onProgress) {
  const answer = await asked(path, { method: "POST", body: file, headers: { "Content-Type": kind, Accept: "application/x-ndjson" } });
  if (!answer.ok) return taken(answer);
  let last = null;
  for await (const line of lines(answer.body)) {
    if (line === "") continue;
    last = JSON.parse(line);
    if (last.error) throw new Refused(400, last.error);
    onProgress(last);
  }
  return last;
}

async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      yield* parts;
    }
    if (rest) yield rest;
  } finally {
    reader.cancel().catch(() => {});
  }
}

const SILENT_MS = 6000;
const HIDDEN_MS = 30000;
const SLOWEST_MS = 5000;

/**
 * Follow a stream: `onMessage` gets every message, `onState` what is known of the line: {on, behind, late, why}.
 * A stream that is cut, or silent, is opened again where it was. One nobody looks at is let go, and taken up again.
 */
export function follow(path, onMessage, onState) {
  let stopped = false;
  let place = null;
  let cut = null;
  let wait = 250;
  let hiddenTimer = 0;
  let wake = () => {};

  const listen = async () => {
    cut = new AbortController();
    let timer = setTimeout(() => cut.abort(), SILENT_MS);
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => cut.abort(), SILENT_MS);
    };
    try {
      const answer = await asked(path, {
        method: "GET",
        signal: cut.signal,
        headers: { Accept: "text/event-stream", ...(place === null ? {} : { "Last-Event-ID": place }) },
      });
      if (!answer.ok) await taken(answer);
      let data = "";
      let id = null;
      for await (const line of lines(answer.body)) {
        alive();
        if (line.startsWith("data: ")) data += line.slice(6);
        else if (line.startsWith("id: ")) id = line.slice(4);
        else if (line === "" && data) {
          const message = JSON.parse(data);
          data = "";
          place = id;
          wait = 250;
          onState({ on: true, behind: message.behind_ms, late: message.late });
          onMessage(message);
        }
      }
    } finally {
      clearTimeout(timer);
    }
  };

  const run = async () => {
    while (!stopped) {
      try {
        if (!document.hidden) await listen();
        if (!stopped) onState({ on: false, why: document.hidden ? "nobody is looking" : "the line was cut" });
      } catch (error) {
        if (stopped) return;
        if (error instanceof Refused && error.status === 404) {
          onState({ on: false, why: error.message, gone: true });
          return;
        }
        if (error instanceof Refused && error.status === 400) place = null;
        onState({ on: false, why: error instanceof Refused ? error.message : "the service cannot be reached" });
      }
      await new Promise((resolve) => {
        wake = resolve;
        setTimeout(resolve, wait);
      });
      wait = Math.min(wait * 2, SLOWEST_MS);
    }
  };
  const seen = () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(() => cut?.abort(), HIDDEN_MS);
    else {
      wait = 250;
      wake();
    }
  };
  document.addEventListener("visibilitychange", seen);
  run();
  return () => {
    stopped = true;
    document.removeEventListener("visibilitychange", seen);
    clearTimeout(hiddenTimer);
    cut?.abort();
    wake();
  };
}
