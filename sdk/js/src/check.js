// Holds JSON against a JSON Schema, and fills in defaults.

/** A value does not fit. `pointer` is the JSON pointer to it. */
export class Misfit extends Error {
  constructor(pointer, reason) {
    super(reason);
    this.pointer = pointer;
  }
}

const DEPTH_MAX = 200;

/** Fails with `Misfit` where the value does not fit. Defaults are put into the value itself. */
export function check(schema, value) {
  return fits(schema, value, "", { root: schema, depth: 0 });
}

function fits(schema, value, at, { root, depth }) {
  if (schema === true || schema === undefined) {
    return value;
  }
  if (schema === false) {
    throw new Misfit(at, "nothing may stand here");
  }
  if (depth > DEPTH_MAX) {
    throw new Misfit(at, "it is too deep, or its schema is of itself");
  }
  const within = { root, depth: depth + 1 };
  if (schema.$ref !== undefined) {
    value = fits(resolve(root, schema.$ref), value, at, within);
  }
  isOfType(schema, value, at);
  isValue(schema, value, at);
  if (typeof value === "string") {
    textFits(schema, value, at);
  } else if (typeof value === "number") {
    numberFits(schema, value, at);
  } else if (Array.isArray(value)) {
    listFits(schema, value, at, within);
  } else if (value !== null && typeof value === "object") {
    objectFits(schema, value, at, within);
  }
  return combined(schema, value, at, within);
}

function isOfType({ type }, value, at) {
  if (type === undefined) {
    return;
  }
  const types = [type].flat();
  if (!types.some((one) => isA(one, value))) {
    throw new Misfit(at, `expected ${types.map((one) => WORDS[one] ?? one).join(" or ")}, found ${found(value)}`);
  }
}

const WORDS = {
  string: "a string",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  null: "null",
};

function isA(type, value) {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return value !== null && typeof value === "object" && !Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

function isValue(schema, value, at) {
  const list = schema.enum ?? (Object.hasOwn(schema, "const") ? [schema.const] : undefined);
  if (list && !list.some((one) => same(one, value))) {
    const shown = typeof value === "object" ? found(value) : `\`${value}\``;
    throw new Misfit(at, `expected one of ${list.map((one) => `\`${words(one)}\``).join(", ")}, found ${shown}`);
  }
}

function textFits(schema, value, at) {
  // A character is a code point here, as in JSON Schema.
  const length = schema.minLength === undefined && schema.maxLength === undefined ? 0 : [...value].length;
  if (length < (schema.minLength ?? 0)) {
    throw new Misfit(at, length === 0 ? "it is empty" : `it has ${length} characters; ${schema.minLength} is the least`);
  }
  if (length > (schema.maxLength ?? Infinity)) {
    throw new Misfit(at, `it has ${length} characters; ${schema.maxLength} is the most`);
  }
  if (schema.pattern !== undefined && !regex(schema.pattern).test(value)) {
    throw new Misfit(at, `it does not match \`${schema.pattern}\``);
  }
}

function regex(pattern) {
  try {
    return new RegExp(pattern, "u");
  } catch {
    // One engine knows no properties of Unicode.
    return new RegExp(pattern);
  }
}

function numberFits(schema, value, at) {
  if (value < schema.minimum || value <= schema.exclusiveMinimum) {
    throw new Misfit(at, `${value} is too small: ${schema.minimum ?? `more than ${schema.exclusiveMinimum}`} is the least`);
  }
  if (value > schema.maximum || value >= schema.exclusiveMaximum) {
    throw new Misfit(at, `${value} is too large: ${schema.maximum ?? `less than ${schema.exclusiveMaximum}`} is the most`);
  }
  const parts = value / schema.multipleOf;
  if (schema.multipleOf !== undefined && Math.abs(parts - Math.round(parts)) > 1e-9) {
    throw new Misfit(at, `${value} is no multiple of ${schema.multipleOf}`);
  }
}

function listFits(schema, value, at, within) {
  counted(schema.minItems, schema.maxItems, value.length, "items", at);
  const places = schema.prefixItems ?? [];
  value.forEach((item, index) => {
    value[index] = fits(index < places.length ? places[index] : schema.items, item, `${at}/${index}`, within);
  });
  if (schema.uniqueItems && value.some((item, index) => value.slice(0, index).some((other) => same(item, other)))) {
    throw new Misfit(at, "the same stands in it twice");
  }
}

function objectFits(schema, value, at, within) {
  const known = schema.properties ?? {};
  const missing = (schema.required ?? []).filter((name) => !Object.hasOwn(value, name));
  if (missing.length) {
    throw new Misfit(at, `missing field ${missing.map((name) => `\`${name}\``).join(", ")}`);
  }
  const keys = Object.keys(value);
  counted(schema.minProperties, schema.maxProperties, keys.length, "fields", at);
  for (const key of keys) {
    const below = `${at}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    if (Object.hasOwn(known, key)) {
      put(value, key, fits(known[key], value[key], below, within));
    } else if (schema.additionalProperties === false) {
      const names = Object.keys(known).map((name) => `\`${name}\``);
      throw new Misfit(below, `unknown field, expected one of ${names.join(", ") || "none"}`);
    } else {
      put(value, key, fits(schema.additionalProperties, value[key], below, within));
    }
  }
  for (const [name, field] of Object.entries(known)) {
    if (!Object.hasOwn(value, name) && field !== null && typeof field === "object" && Object.hasOwn(field, "default")) {
      put(value, name, JSON.parse(JSON.stringify(field.default)));
    }
  }
}

// An assignment to `__proto__` would be another thing.
function put(object, key, value) {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

function counted(least = 0, most = Infinity, count, what, at) {
  if (count < least || count > most) {
    const limit = count < least ? `${least} is the least` : `${most} is the most`;
    throw new Misfit(at, `it has ${count} ${what}; ${limit}`);
  }
}

function combined(schema, value, at, within) {
  for (const one of schema.allOf ?? []) {
    value = fits(one, value, at, within);
  }
  const either = schema.anyOf ?? schema.oneOf;
  if (either) {
    value = first(either, value, at, within, schema.anyOf === undefined);
  }
  if (schema.not !== undefined && tried(schema.not, value, at, within).fits) {
    throw new Misfit(at, "it may be anything but this");
  }
  return value;
}

function first(schemas, value, at, within, only) {
  const tries = schemas.map((one) => tried(one, value, at, within));
  const good = tries.filter((one) => one.fits);
  if (good.length > 1 && only) {
    throw new Misfit(at, "it could be several things");
  }
  if (good.length) {
    return good[0].value;
  }
  // The one that got furthest knows best what is wrong.
  const depth = (misfit) => misfit.pointer.split("/").length;
  throw tries.map((one) => one.misfit).reduce((best, one) => (depth(one) > depth(best) ? one : best));
}

function tried(schema, value, at, within) {
  try {
    const copy = value === undefined ? undefined : JSON.parse(JSON.stringify(value));
    return { fits: true, value: fits(schema, copy, at, within) };
  } catch (misfit) {
    if (misfit instanceof Misfit) {
      return { fits: false, misfit };
    }
    throw misfit;
  }
}

function resolve(root, ref) {
  if (!ref.startsWith("#")) {
    throw new TypeError(`the schema refers to \`${ref}\`, which is elsewhere`);
  }
  const parts = ref.slice(1).split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const found = parts.reduce((schema, part) => (schema && Object.hasOwn(schema, part) ? schema[part] : undefined), root);
  if (found === undefined) {
    throw new TypeError(`the schema refers to \`${ref}\`, which is not in it`);
  }
  return found;
}

function same(one, other) {
  if (one === other) {
    return true;
  }
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) {
    return false;
  }
  const keys = Object.keys(one);
  return (
    Array.isArray(one) === Array.isArray(other) &&
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && same(one[key], other[key]))
  );
}

const words = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function found(value) {
  if (value === null || typeof value === "boolean") {
    return String(value);
  }
  if (typeof value === "number") {
    return `the number ${value}`;
  }
  if (typeof value === "object") {
    return Array.isArray(value) ? "a list" : "an object";
  }
  return value === undefined ? "nothing" : `a ${typeof value}`;
}
