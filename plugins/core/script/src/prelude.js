// What scripts know of browsers and of Node.js, over four functions of `host.rs`.
(function (host) {
  "use strict";

  const hidden = (object, name, value) =>
    Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false });

  /** Ends a task with a code of the script's own. */
  class TaskError extends Error {
    constructor(code, message, options = {}) {
      super(message);
      this.code = String(code);
      this.retryable = options.retryable === true;
      this.retryAfterMs = options.retryAfterMs;
      this.details = options.details;
    }
  }
  hidden(TaskError.prototype, "name", "TaskError");

  const given = ([error, value]) => {
    if (error) throw new TaskError(error.code, error.message, error);
    return value;
  };

  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const toBytes = (content) => {
    if (typeof content === "string") return content;
    if (content instanceof ArrayBuffer) return new Uint8Array(content);
    if (ArrayBuffer.isView(content)) return new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
    return undefined;
  };

  class URLSearchParams {
    #pairs = [];
    #changed = () => {};
    constructor(init = "", changed) {
      if (typeof init === "string") {
        const plain = (text) => decodeURIComponent(text.replace(/\+/g, " "));
        for (const part of init.replace(/^\?/, "").split("&").filter(Boolean)) {
          const [name, ...value] = part.split("=");
          this.append(plain(name), plain(value.join("=")));
        }
      } else {
        const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
        for (const [name, value] of pairs) this.append(name, value);
      }
      if (changed) this.#changed = changed;
    }
    append(name, value) { this.#pairs.push([String(name), String(value)]); this.#changed(this); }
    set(name, value) {
      const at = this.#pairs.findIndex(([known]) => known === String(name));
      if (at < 0) return this.append(name, value);
      this.#pairs = this.#pairs.filter(([known], index) => index === at || known !== String(name));
      this.#pairs[at][1] = String(value);
      this.#changed(this);
    }
    get(name) { return this.#pairs.find(([known]) => known === String(name))?.[1] ?? null; }
    getAll(name) { return this.#pairs.filter(([known]) => known === String(name)).map(([, value]) => value); }
    has(name) { return this.#pairs.some(([known]) => known === String(name)); }
    delete(name) { this.#pairs = this.#pairs.filter(([known]) => known !== String(name)); this.#changed(this); }
    sort() { this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)); this.#changed(this); }
    forEach(callback) { for (const [name, value] of this) callback(value, name, this); }
    entries() { return this.#pairs.map(([name, value]) => [name, value]).values(); }
    keys() { return this.#pairs.map(([name]) => name).values(); }
    values() { return this.#pairs.map(([, value]) => value).values(); }
    get size() { return this.#pairs.length; }
    [Symbol.iterator]() { return this.entries(); }
    toString() {
      const escaped = (text) => encodeURIComponent(text).replace(/%20/g, "+").replace(/[!'()~]/g, (character) => "%" + character.charCodeAt(0).toString(16).toUpperCase());
      return this.#pairs.map(([name, value]) => `${escaped(name)}=${escaped(value)}`).join("&");
    }
  }
  Object.defineProperty(URL.prototype, "searchParams", {
    get() { return new URLSearchParams(this.search, (changed) => { this.search = String(changed); }); },
    configurable: true,
  });

  class Headers {
    #fields = new Map();
    constructor(init) {
      if (init == null) return;
      const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
      for (const [name, value] of pairs) this.append(name, value);
    }
    append(name, value) {
      const key = String(name).toLowerCase();
      const known = this.#fields.get(key);
      this.#fields.set(key, known === undefined ? String(value) : `${known}, ${value}`);
    }
    set(name, value) { this.#fields.set(String(name).toLowerCase(), String(value)); }
    get(name) { return this.#fields.get(String(name).toLowerCase()) ?? null; }
    has(name) { return this.#fields.has(String(name).toLowerCase()); }
    delete(name) { this.#fields.delete(String(name).toLowerCase()); }
    forEach(callback) { for (const [name, value] of this) callback(value, name, this); }
    entries() { return this.#fields.entries(); }
    keys() { return this.#fields.keys(); }
    values() { return this.#fields.values(); }
    [Symbol.iterator]() { return this.#fields.entries(); }
    toJSON() { return Object.fromEntries(this.#fields); }
  }

  class Response {
    #body;
    constructor(url, status, headers, body) {
      this.url = url;
      this.status = status;
      this.ok = status >= 200 && status < 300;
      this.headers = new Headers(headers);
      this.#body = body;
    }
    async text() { return typeof this.#body === "string" ? this.#body : decoder.decode(this.#body); }
    async json() { return JSON.parse(await this.text()); }
    async bytes() { return typeof this.#body === "string" ? encoder.encode(this.#body) : this.#body; }
    async arrayBuffer() { return (await this.bytes()).buffer; }
  }

  const bodyOf = (options, headers) => {
    const otherwise = (type) => { if (!headers.has("content-type")) headers.set("content-type", type); };
    if (options.json !== undefined) {
      otherwise("application/json");
      return JSON.stringify(options.json);
    }
    if (options.body == null) return undefined;
    if (options.body instanceof URLSearchParams) {
      otherwise("application/x-www-form-urlencoded;charset=UTF-8");
      return String(options.body);
    }
    const body = toBytes(options.body);
    if (body === undefined) throw new TypeError("fetch: `body` is text or bytes; give an object as `json`");
    if (typeof body === "string") otherwise("text/plain;charset=UTF-8");
    return body;
  };

  async function fetch(resource, options = {}) {
    const url = String(resource);
    const headers = new Headers(options.headers);
    const body = bodyOf(options, headers);
    const method = String(options.method ?? (body === undefined ? "GET" : "POST")).toUpperCase();
    const follow = (options.redirect ?? "follow") === "follow";
    const answer = given(host.send(method, url, [...headers], body, follow, options.timeoutMs));
    return new Response(url, ...answer);
  }

  function readFile(path, as = "text") {
    switch (as) {
      case "text": return given(host.read(path, true));
      case "json": return JSON.parse(given(host.read(path, true)));
      case "lines": {
        const lines = given(host.read(path, true)).split(/\r?\n/);
        if (lines.at(-1) === "") lines.pop();
        return lines;
      }
      case "bytes": return given(host.read(path, false));
      default: throw new TypeError('readFile: the second argument is "text", "json", "lines" or "bytes"');
    }
  }

  // One line for what is data; the engine's own way shows the rest.
  const shown = (value) => {
    if (value instanceof Error) return `${value}`;
    const prototype = value !== null && typeof value === "object" ? Object.getPrototypeOf(value) : undefined;
    if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return value;
    try { return JSON.stringify(value); } catch { return value; }
  };
  for (const level of ["debug", "log", "info", "warn", "error"]) {
    const plain = console[level];
    hidden(console, level, (...values) => plain(...values.map(shown)));
  }

  const written = (content) => toBytes(content) ?? JSON.stringify(content, null, 2);

  for (const value of [TaskError, URLSearchParams, Headers, Response, fetch, readFile]) hidden(globalThis, value.name, value);
  hidden(globalThis, "writeFile", function writeFile(path, content) { given(host.write(path, written(content), false)); });
  hidden(globalThis, "appendFile", function appendFile(path, content) { given(host.write(path, written(content), true)); });
  hidden(globalThis, "listFiles", function listFiles(path = ".") { return given(host.list(path)); });
})
