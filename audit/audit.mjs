// Measures the built site and prints one table; exit status 1 if something misses.
//
//   node audit.mjs SITE [--base /name/] [--queries FILE] [--report FILE] [--lighthouse 3] [--only TEXT]
//
// The browser is $CHROME_PATH. --lighthouse N takes the N heaviest pages, 0 none. --only TEXT visits the pages
// whose path holds the text (links into the others are not looked up then).
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { checkMarkup } from "./markup.mjs";
import { Findings, table } from "./report.mjs";
import { measureSearch } from "./search.mjs";
import { serve } from "./server.mjs";
import { measurePerformance } from "./speed.mjs";
import { pagesOf, visitAll } from "./visits.mjs";

const OPTIONS = {
  base: { type: "string", default: "/" },
  queries: { type: "string" },
  report: { type: "string" },
  lighthouse: { type: "string", default: "3" },
  only: { type: "string", default: "" },
};

/** Runs the browser on the site and returns what it found. */
async function measure(site, options) {
  const found = new Findings();
  const browser = await chromium.launch({ executablePath: process.env.CHROME_PATH, args: ["--disable-gpu"] });
  try {
    const { weights, sections } = await visitAll(browser, site, found);
    if (options.queries) await measureSearch(browser, site, JSON.parse(fs.readFileSync(options.queries, "utf8")).queries, sections, found);
    const heaviest = [...weights].sort((a, b) => b[1] - a[1]).map(([page]) => page);
    await measurePerformance(site, heaviest.slice(0, Number(options.lighthouse)), found);
  } finally {
    await browser.close();
  }
  checkMarkup(site.folder, found);
  return found;
}

/** Reads the command line, measures, prints, and returns the exit status. */
async function main() {
  const { values: options, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const folder = path.resolve(positionals[0] ?? "");
  const server = await serve(folder, options.base);
  const site = { folder, address: server.address, pages: pagesOf(folder).filter((page) => page.includes(options.only)) };
  if (!site.pages.length) throw new Error(`${folder} holds no page`);
  const rows = (await measure(site, options).finally(server.close)).rows();
  if (options.report) fs.writeFileSync(options.report, JSON.stringify({ pages: site.pages, rows }, null, 1));
  console.log(table(rows));
  return rows.some((row) => row.ok === false) ? 1 : 0;
}

process.exit(await main());
