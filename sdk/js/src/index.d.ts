/** JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A plain JSON Schema. */
export type JsonSchema = boolean | { [keyword: string]: unknown };

/** A JSON Schema that is being built, of values of the type `T`. Each method gives another one. */
export class Schema<out T = unknown, out Optional extends boolean = boolean> {
  private constructor();
  /** Never there: it tells editors the type. */
  readonly _type: T;
  readonly isOptional: Optional;
  /** The JSON Schema itself. */
  readonly json: { [keyword: string]: unknown };
  toJSON(): { [keyword: string]: unknown };
  /** What it is, in a sentence. */
  describe(description: string): Schema<T, Optional>;
  /** The value where none is given. */
  default(value: T): Schema<T, false>;
  /** It need not be given. */
  optional(): Schema<T, true>;
  /** null is possible too. */
  nullable(): Schema<T | null, Optional>;
  /** The least: of a number, or the length of a string or a list. */
  min(least: number): Schema<T, Optional>;
  /** The most: of a number, or the length of a string or a list. */
  max(most: number): Schema<T, Optional>;
  /** What a string looks like. */
  pattern(regex: string | RegExp): Schema<T, Optional>;
  /** What a string is, for people and editors: `uri`, `date-time`. */
  format(format: string): Schema<T, Optional>;
  /** An object that may have other fields too. */
  open(): Schema<T & { [key: string]: unknown }, Optional>;
}

/** The type of a schema's values. */
export type Of<S> = S extends Schema<infer T> ? T : any;

type Fields = { [name: string]: Schema | JsonSchema };
type OptionalNames<F extends Fields> = { [K in keyof F]: F[K] extends Schema<any, true> ? K : never }[keyof F];
type ObjectOf<F extends Fields> = { [K in Exclude<keyof F, OptionalNames<F>>]: Of<F[K]> } & {
  [K in OptionalNames<F>]?: Of<F[K]>;
};
type Literal = string | number | boolean | null;

/** Builds schemas. A plain JSON Schema can stand wherever one of these can. */
export const s: {
  string(): Schema<string, false>;
  number(): Schema<number, false>;
  /** A whole number. */
  integer(): Schema<number, false>;
  boolean(): Schema<boolean, false>;
  null(): Schema<null, false>;
  any(): Schema<any, false>;
  array<S extends Schema | JsonSchema>(item: S): Schema<Of<S>[], false>;
  tuple<const S extends readonly (Schema | JsonSchema)[]>(items: S): Schema<{ -readonly [K in keyof S]: Of<S[K]> }, false>;
  /** An object of these fields. Others are refused, unless it is `open()`. */
  object<F extends Fields>(fields: F): Schema<ObjectOf<F>, false>;
  /** An object of any names, whose values are all of one kind. */
  record<S extends Schema | JsonSchema>(value: S): Schema<{ [key: string]: Of<S> }, false>;
  enum<const V extends readonly Literal[]>(values: V): Schema<V[number], false>;
  union<const S extends readonly (Schema | JsonSchema)[]>(...schemas: S): Schema<Of<S[number]>, false>;
};

/** Where and as what an action runs. */
export interface Context {
  /** The id of the execution. */
  readonly executionId: string;
  /** The id of the workflow. */
  readonly workflowId: string;
  /** The id of the task. */
  readonly taskId: string;
  /** The number of this attempt, from 1. */
  readonly attempt: number;
  /** The position in a `forEach`, from 0. */
  readonly index: number | undefined;
  /** The same for all attempts of one task run: give it to services that take one. */
  readonly idempotencyKey: string;
  /** Seconds until the attempt is stopped, where there is a limit. */
  timeLeft(): number | undefined;
}

/** A function that a task can run. Called in a test, it checks its input, as in a task. */
export interface Action<I = any, R = any> {
  (input?: I, ctx?: Context): R;
  readonly description: string;
  readonly idempotent: boolean;
  readonly inputSchema: { [keyword: string]: unknown };
  readonly outputSchema: { [keyword: string]: unknown };
}

/** Makes a function an action. */
export function action<
  I extends Schema | JsonSchema = Schema<{}, false>,
  O extends Schema | JsonSchema = Schema<any, false>,
  R extends Of<O> | Promise<Of<O>> = Of<O> | Promise<Of<O>>,
>(
  options: {
    /** What it does, in sentences. */
    description?: string;
    /** A few words for people; made of the name, unless it is given. */
    title?: string;
    /** What it takes: an object. */
    input?: I;
    /** What it gives. */
    output?: O;
    /** Running it twice is the same as running it once. */
    idempotent?: boolean;
  },
  run: (input: Of<I>, ctx: Context) => R,
): Action<any, R>;

/** A plugin, as `plugin` made it. */
export interface Plugin {
  readonly name: string;
  readonly description: string;
  readonly actions: { readonly [name: string]: Action };
  /** Runs the action of a name as a task does: JSON in, JSON out, or a promise of it. */
  run(action: string, input?: unknown, ctx?: Context): any;
}

/** Says what the plugin is called and which actions it has; a module exports it: `export default plugin({ … })`. */
export function plugin(options: { name: string; description?: string; actions: { [name: string]: Action } }): Plugin;

/** How an action fails. */
export class TaskError extends Error {
  /**
   * @param code For machines: lower case with underscores, e.g. `not_found`.
   * @param message For people: what failed, where, and what to do.
   */
  constructor(
    code: string,
    message: string,
    options?: {
      /** Whether another attempt may succeed. */
      retryable?: boolean;
      /** The least wait before another attempt, in seconds. */
      retryAfter?: number;
      /** More for machines, as JSON. */
      details?: unknown;
      cause?: unknown;
    },
  );
  readonly code: string;
  readonly retryable: boolean;
  readonly retryAfter: number | undefined;
  readonly details: unknown;
}

/** Log entries with a level and fields. What `console` prints is logged as well. */
export namespace log {
  /** For whoever looks for a fault. */
  function debug(message: unknown, fields?: { [key: string]: unknown }): void;
  /** What went on. */
  function info(message: unknown, fields?: { [key: string]: unknown }): void;
  /** What may become a fault. */
  function warn(message: unknown, fields?: { [key: string]: unknown }): void;
  /** A fault. */
  function error(message: unknown, fields?: { [key: string]: unknown }): void;
}

/** How far an action has come, for whoever watches. */
export namespace progress {
  /** Says that `done` of `total` units are done, with a few words for people. */
  function report(done: number, total?: number, note?: string): void;
}

/** Small JSON values that live across the executions of one workflow. A change takes effect only if the attempt succeeds. */
export namespace state {
  /** The value of `key`, or `otherwise`. */
  function get(key: string, otherwise?: any): any;
  /** Sets `key`. */
  function set(key: string, value: unknown): void;
  /** Removes `key`. */
  function remove(key: string): void;
  export { remove as delete };
}
