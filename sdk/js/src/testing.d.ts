/** An engine that remembers what it was told, until it is restored. */
export function fakeHost(options?: {
  /** Values that are kept already. */
  state?: { [key: string]: unknown };
}): {
  /** What was logged: level, message, fields. */
  readonly logs: [level: "debug" | "info" | "warn" | "error", message: string, fields: { [key: string]: string }][];
  /** How far the action said that it was. */
  readonly progress: [done: number, total: number | undefined, note: string | undefined][];
  /** The values that are kept. */
  readonly state: { [key: string]: any };
  /** Gives the engine before back. */
  restore(): void;
};
