// Makes a component of a JavaScript project. `workflow plugin build` puts this beside the tools that it needs, and runs it with one
// argument, as JSON: the project, its main module, its version, the engine, and folders.
//
// The author's modules are copied line by line, so that stacks lead to their own lines; only what they import is renamed, where no
// engine would find it: the sdk, and packages of npm, each of which becomes one module.

import { lstat, mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";

import { init, parse } from "es-module-lexer";
import { build as bundle } from "esbuild";

const task = JSON.parse(process.argv[2]);
const project = await realpath(task.project);
const stage = task.stage;
const sdk = "autokestra-sdk";

class Refused extends Error {}

/** What is asked of each package, by its name: it becomes one module. */
const packages = new Map();

/** Copies a module of the project and all that it imports. */
async function copy(path, from, seen) {
  const place = relative(project, path);
  if (place.startsWith("..") || place.split(sep).includes("node_modules")) {
    throw new Refused(`${from} imports ${path}, which is not in the project`);
  }
  if (seen.has(place)) {
    return;
  }
  seen.add(place);
  if (!(await lstat(path).then((file) => file.isFile(), () => false))) {
    throw new Refused(`${from} imports \`${place}\`, which is no file; imports name files in full: "./words.js"`);
  }
  const text = await readFile(path, "utf8");
  let imports;
  try {
    [imports] = parse(text, place);
  } catch (error) {
    throw new Refused(error.message.replace(/^Parse error /, "it is no JavaScript: "));
  }
  let written = "";
  let end = 0;
  for (const found of imports) {
    const name = found.n;
    if (name === undefined) {
      if (found.d > -1) {
        throw new Refused(`${place} imports what it only knows when it runs; a component has its modules from the start`);
      }
      continue;
    }
    const to = await renamed(name, path, place, text.slice(found.ss, found.s), seen);
    // A name of `import(…)` stands with its quotes.
    written += text.slice(end, found.s) + (found.d > -1 ? JSON.stringify(to) : to);
    end = found.e;
  }
  const target = join(stage, place);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, written + text.slice(end));
}

async function renamed(name, path, place, clause, seen) {
  const up = (target) => {
    const found = relative(dirname(place), target).split(sep).join("/");
    return found.startsWith(".") ? found : `./${found}`;
  };
  if (/^\.\.?\//.test(name)) {
    const file = resolve(dirname(path), name);
    if (/\.m?js$/.test(name)) {
      await copy(file, place, seen);
      return name;
    }
    return up(ask(file, clause));
  }
  if (name === sdk || name.startsWith(`${sdk}/`)) {
    return up(`${sdk}/src/${name === sdk ? "index" : name.slice(sdk.length + 1)}.js`);
  }
  if (/^(autokestra|wasi):/.test(name)) {
    return name;
  }
  if (isBuiltin(name)) {
    throw new Refused(`${place} imports \`${name}\`, which only Node.js has; in the sandbox there is the language alone, and the sdk`);
  }
  return up(ask(name, clause));
}

/** Notes what a clause wants of a package, and says where that will be. */
function ask(name, clause) {
  const found = packages.get(name) ?? { file: `deps/${packages.size + 1}.js`, names: new Set(), all: false };
  packages.set(name, found);
  const inner = /\{([^}]*)\}/s.exec(clause)?.[1] ?? "";
  for (const one of inner.split(",")) {
    const [, wanted] = /^\s*([\w$]+)/.exec(one) ?? [];
    if (wanted) {
      found.names.add(wanted);
    }
  }
  if (/^\s*import\s+[\w$]+/.test(clause) && !/^\s*import\s+from\s/.test(clause)) {
    found.names.add("default");
  }
  found.all ||= /\*/.test(clause) || /^\s*import\s*\(/.test(clause);
  return found.file;
}

async function bundlePackage(name, { file, names, all }) {
  const from = JSON.stringify(name);
  const lines = [`import ${from};`];
  if (names.size) {
    lines.push(`export { ${[...names].join(", ")} } from ${from};`);
  }
  if (all) {
    lines.push(`export * from ${from};`);
  }
  try {
    await bundle({
      stdin: { contents: lines.join("\n"), resolveDir: project, sourcefile: task.main },
      outfile: join(stage, file),
      bundle: true,
      format: "esm",
      platform: "neutral",
      mainFields: ["module", "main"],
      conditions: ["import", "default"],
      target: "es2022",
      charset: "utf8",
      logLevel: "silent",
    });
  } catch (error) {
    const reasons = (error.errors ?? [error]).map((one) => one.text ?? one.message);
    const advice = reasons.some((reason) => reason.startsWith("Could not resolve")) ? "; `npm install` brings what package.json names" : "";
    throw new Refused(`\`${name}\` cannot be taken in: ${reasons.slice(0, 3).join("; ")}${advice}`);
  }
}

async function writeEntry() {
  const lines = [
    `import "./${sdk}/src/console.js";`,
    'import * as log from "autokestra:plugin/log@1.0.0";',
    'import * as progress from "autokestra:plugin/progress@1.0.0";',
    'import * as state from "autokestra:plugin/state@1.0.0";',
    `import plugin from ${JSON.stringify(`./${task.main}`)};`,
    `import { component } from "./${sdk}/src/guest.js";`,
    `export const { describe, run } = component(plugin, { log, progress, state, version: ${JSON.stringify(task.version)}, waits: ${task.engine === "starlingmonkey"} });`,
  ];
  const path = join(stage, "autokestra-entry.js");
  await writeFile(path, lines.join("\n"));
  return path;
}

/** Both engines name modules by where they stand below the working folder. */
async function componentize(entry) {
  process.chdir(stage);
  if (task.engine === "quickjs") {
    const { componentize } = await import("componentize-qjs");
    const source = await readFile(entry, "utf8");
    return componentize({ witPath: task.wit, world: "guest", jsSource: source, jsPath: entry, moduleRoot: stage, sync: true });
  }
  const { componentize } = await import("@bytecodealliance/componentize-js");
  const disableFeatures = task.http ? ["fetch-event"] : ["http", "fetch-event"];
  return componentize({ sourcePath: entry, witPath: task.wit, worldName: "guest", disableFeatures });
}

try {
  await init;
  await copy(join(project, task.main), "package.json", new Set());
  for (const [name, asked] of packages) {
    await bundlePackage(name, asked);
  }
  const { component } = await componentize(await writeEntry());
  await writeFile(task.out, component);
} catch (error) {
  // What the tools say of it, without where the tools are.
  const lines = `${error instanceof Refused ? error.message : (error.message ?? error)}`.split("\n");
  const kept = lines.filter((line) => line.trim() && !/^(Failed to initialize component|Stack backtrace:|\s*\d+: )/.test(line));
  console.error(kept.join("\n").replaceAll(`${stage}/`, "").replace(/^: /, ""));
  process.exit(1);
}
