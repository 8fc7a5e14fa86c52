// Requests to the box, and its stream of news.

let csrf = null;

export class Refused extends Error {
  constructor(status, body) {
    super(body?.error ?? `the box answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

export async function request(method, path, body) {
  const headers = {};
  if (csrf && method !== "GET") headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const kind = answer.headers.get("content-type") ?? "";
  const read = kind.includes("json") ? await answer.json() : null;
  if (!answer.ok) throw new Refused(answer.status, read);
  return read;
}

export async function session() {
  const now = await request("GET", "/api/session");
  csrf = now.csrf;
  return now;
}

export const act = (action) => request("POST", "/api/act", action);

// Calls back with every piece of news; opens again by itself when it breaks.
export function follow(on) {
  const source = new EventSource("/api/stream");
  source.onopen = () => on.connected(true);
  source.onerror = () => on.connected(false, source.readyState === EventSource.CLOSED);
  for (const kind of ["status", "meters", "log"]) {
    source.addEventListener(kind, (event) => on[kind](JSON.parse(event.data)));
  }
  return source;
}
