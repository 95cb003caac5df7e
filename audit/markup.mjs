// The W3C's checker, where Java and its program are there.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const CHECKER = fileURLToPath(new URL("node_modules/vnu-jar/build/dist/vnu.jar", import.meta.url));
// What the checker does not know yet, or what parts of others write: message, and why it stays.
export const KNOWN = [];

/** Checks the markup of all pages of a folder. */
export function checkMarkup(folder, found) {
  if (!fs.existsSync(CHECKER)) return found.skip("w3c", "the package vnu-jar is not installed");
  if (spawnSync("java", ["-version"]).status !== 0) return found.skip("w3c", "there is no Java");
  const command = ["-Xss8m", "-jar", CHECKER, "--format", "json", "--exit-zero-always", "--errors-only", "--skip-non-html", folder];
  const { stderr } = spawnSync("java", command, { encoding: "utf8", maxBuffer: 1 << 28 });
  found.look("w3c");
  for (const { message, url, lastLine, extract = "" } of JSON.parse(stderr).messages) {
    if (KNOWN.some(([pattern]) => pattern.test(message))) continue;
    const page = path.relative(folder, fileURLToPath(url));
    found.fault("w3c", `${page}:${lastLine}: ${message} ${extract.replace(/\s+/g, " ").slice(0, 80)}`);
  }
}
