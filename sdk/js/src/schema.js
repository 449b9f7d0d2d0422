// Schemas, built by hand: `s.object({ name: s.string().describe("A name.").default("World") })`.

/** A JSON Schema that is being built. Each method gives another one. */
export class Schema {
  constructor(json, isOptional = false) {
    this.json = json;
    this.isOptional = isOptional;
    Object.freeze(this);
  }

  /** The JSON Schema itself, as `JSON.stringify` takes it. */
  toJSON() {
    return this.json;
  }

  with(more) {
    return new Schema({ ...this.json, ...more }, this.isOptional);
  }

  /** What it is, in a sentence. */
  describe(description) {
    return this.with({ description });
  }

  /** The value where none is given. */
  default(value) {
    return new Schema({ ...this.json, default: value }, true);
  }

  /** It need not be given. */
  optional() {
    return new Schema(this.json, true);
  }

  /** null is possible too. */
  nullable() {
    const { type, description, ...rest } = this.json;
    if (typeof type === "string") {
      const values = rest.enum ? { enum: [...rest.enum, null] } : {};
      return this.with({ type: [type, "null"], ...values });
    }
    return new Schema({ anyOf: [rest, { type: "null" }], ...(description ? { description } : {}) }, this.isOptional);
  }

  /** The least: of a number, or the length of a string or a list. */
  min(least) {
    return this.with({ [bound(this.json.type, "min")]: least });
  }

  /** The most: of a number, or the length of a string or a list. */
  max(most) {
    return this.with({ [bound(this.json.type, "max")]: most });
  }

  /** What a string looks like. */
  pattern(regex) {
    return this.with({ pattern: typeof regex === "string" ? regex : regex.source });
  }

  /** What a string is, for people and editors: `uri`, `date-time`. */
  format(format) {
    return this.with({ format });
  }

  /** An object that may have other fields too. */
  open() {
    return this.with({ additionalProperties: true });
  }
}

function bound(type, end) {
  const suffix = { string: "Length", array: "Items", number: "imum", integer: "imum" }[[type].flat()[0]];
  if (!suffix) {
    throw new TypeError(`\`${end}\` is for strings, numbers and lists`);
  }
  return end + suffix;
}

const of = (type, more = {}) => new Schema({ type, ...more });

function object(fields) {
  const entries = Object.entries(fields);
  const isOptional = (field) => field instanceof Schema && field.isOptional;
  const required = entries.filter(([, field]) => !isOptional(field)).map(([name]) => name);
  return of("object", {
    properties: Object.fromEntries(entries.map(([name, field]) => [name, jsonOf(field)])),
    ...(required.length ? { required } : {}),
    additionalProperties: false,
  });
}

function oneOf(values) {
  const kinds = new Set(values.map((value) => (value === null ? "null" : typeof value)));
  const type = kinds.size === 1 ? { type: [...kinds][0] } : {};
  return new Schema({ ...type, enum: values });
}

/** Builds schemas. A plain JSON Schema can stand wherever one of these can. */
export const s = {
  string: () => of("string"),
  number: () => of("number"),
  integer: () => of("integer"),
  boolean: () => of("boolean"),
  null: () => of("null"),
  any: () => new Schema({}),
  array: (item) => of("array", { items: jsonOf(item) }),
  tuple: (items) => of("array", { prefixItems: items.map(jsonOf), minItems: items.length, maxItems: items.length }),
  object,
  record: (value) => of("object", { additionalProperties: jsonOf(value) }),
  enum: oneOf,
  union: (...schemas) => new Schema({ anyOf: schemas.map(jsonOf) }),
};

/** A schema as JSON, whichever way it was written. */
export const jsonOf = (schema) => (schema instanceof Schema ? schema.json : schema);
