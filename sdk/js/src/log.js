// Log entries with a level and fields: `log.info("rendering", { rows: 3 })`.
//
// What is printed by `console` is logged as well: `console.log` as INFO, `console.error` as WARN.

import { host } from "./host.js";

const emit = (level, message, fields) => {
  const text = (value) => (typeof value === "object" && value !== null ? JSON.stringify(value) : String(value));
  host().emit(level, text(message), Object.entries(fields).map(([key, value]) => [key, text(value)]));
};

/** For whoever looks for a fault. */
export const debug = (message, fields = {}) => emit("debug", message, fields);
/** What went on. */
export const info = (message, fields = {}) => emit("info", message, fields);
/** What may become a fault. */
export const warn = (message, fields = {}) => emit("warn", message, fields);
/** A fault. */
export const error = (message, fields = {}) => emit("error", message, fields);
