// How far an action has come, for whoever watches.

import { host } from "./host.js";

/** Says that `done` of `total` units are done, with a few words for people. */
export const report = (done, total, note) => host().report(done, total, note);
