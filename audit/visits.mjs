// Every page: at 1280 and 360 px, light and dark, as print, without scripts, and opened as a file.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const LOOK = fs.readFileSync(new URL("look.js", import.meta.url), "utf8");
const AXE = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const EVERY_RULE = { runOnly: { type: "tag", values: TAGS }, rules: { "target-size": { enabled: true } }, resultTypes: ["violations"] };
// The dark page is the light one in other colours.
const COLOURS = { runOnly: { type: "rule", values: ["color-contrast", "link-in-text-block"] }, resultTypes: ["violations"] };
const DESKTOP = { viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", colorScheme: "light" };
const PHONE = { ...DESKTOP, viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const PAPER = { width: 718, height: 1046 }; // A4 without its margins
const REDIRECT = /<meta http-equiv="?refresh/i;
const ENOUGH = 0.97; // of the text is there without scripts

/** Returns the pages of a site, without those that only lead on. */
export function pagesOf(folder) {
  const names = fs.readdirSync(folder, { recursive: true }).map(String).filter((name) => name.endsWith(".html"));
  return names.filter((name) => !REDIRECT.test(fs.readFileSync(path.join(folder, name), "utf8"))).sort();
}

/** Visits all pages; returns the bytes of each, and the anchors of each. */
export async function visitAll(browser, site, found) {
  found.look("foreign", "failed", "console", "links", "ids", "formulas", "scripts", "file", "images", "axe-light", "axe-dark");
  found.look("axe-phone", "overflow-desktop", "overflow-phone", "print", "menu", "keyboard", "focus");
  const seen = { weights: new Map(), sections: new Map(), links: new Map(), shifts: new Map(), lengths: new Map() };
  for (const page of site.pages) {
    process.stderr.write(`${process.stderr.isTTY ? "\r\x1b[K" : ""}${page}${process.stderr.isTTY ? "" : "\n"}`);
    for (const visit of [onDesktop, onPhone, withoutScripts, asFile]) await visit(browser, site, page, found, seen);
  }
  followLinks(site, seen, found);
  weigh(seen, found);
  return seen;
}

/** Opens a page in a fresh context and hands it to `use`; notes what goes wrong while it loads. */
async function open(browser, site, { page: name, layout, keys, address = site.address + name }, found, use) {
  const context = await browser.newContext(layout);
  const page = await context.newPage();
  const near = address.startsWith("file:") ? "file:" : site.address;
  page.on("request", (r) => { if (!/^(data|blob|about):/.test(r.url()) && !r.url().startsWith(near)) found.fault(keys.foreign, `${name}: ${r.url()}`); });
  page.on("requestfailed", (r) => found.fault(keys.failed, `${name}: ${r.url()} ${r.failure()?.errorText}`));
  page.on("response", (r) => { if (r.status() >= 400) found.fault(keys.failed, `${name}: ${r.url()} ${r.status()}`); });
  page.on("pageerror", (error) => found.fault(keys.console, `${name}: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load")) found.fault(keys.console, `${name}: ${message.text()}`);
  });
  try {
    const devtools = await context.newCDPSession(page);
    let bytes = 0;
    await devtools.send("Network.enable");
    devtools.on("Network.loadingFinished", (event) => { bytes += event.encodedDataLength; });
    await page.goto(address, { waitUntil: "load" });
    await page.evaluate(LOOK);
    // Without scripts nothing waits, and pictures are not loaded late.
    if (layout.javaScriptEnabled !== false) await page.evaluate(() => look.readToTheEnd());
    await Promise.race([use(page, { bytes: () => bytes, devtools }), late()]);
  } catch (error) {
    found.fault(keys.failed, `${name}: could not be looked at: ${error.message.split("\n")[0]}`);
  } finally {
    await context.close();
  }
}

/** Gives up on a page that never comes to an end. */
function late() {
  return new Promise((_, refuse) => { setTimeout(() => refuse(new Error("no end after five minutes")), 300_000).unref(); });
}

const SERVED = { foreign: "foreign", failed: "failed", console: "console" };

/** Notes all faults of a list, each with its page. */
function note(found, key, page, faults, where = "") {
  for (const fault of faults) found.fault(key, `${page}${where}: ${fault}`);
}

/** The page on a desktop: what it weighs and holds, by keyboard, in both colours, and on paper. */
async function onDesktop(browser, site, name, found, seen) {
  await open(browser, site, { page: name, layout: DESKTOP, keys: SERVED }, found, async (page, { bytes, devtools }) => {
    seen.weights.set(name, bytes());
    seen.shifts.set(name, await page.evaluate(() => look.shift()));
    seen.lengths.set(name, await page.evaluate(() => look.textLength()));
    seen.links.set(name, await page.evaluate(() => look.links()));
    seen.sections.set(name, await page.evaluate(() => look.anchors()));
    note(found, "ids", name, await page.evaluate(() => look.duplicateIds()));
    note(found, "images", name, await page.evaluate(() => look.poorImages()));
    await byKeyboard(page, name, devtools, found);
    await page.evaluate(() => look.fold(true));
    note(found, "overflow-desktop", name, await page.evaluate(() => look.cut({ wide: true })));
    await page.evaluate(AXE);
    note(found, "axe-light", name, await page.evaluate((rules) => look.violations(rules), EVERY_RULE));
    await page.emulateMedia({ colorScheme: "dark" });
    note(found, "axe-dark", name, await page.evaluate((rules) => look.violations(rules), COLOURS));
    await page.evaluate(() => look.fold(false));
    await page.emulateMedia({ media: "print", colorScheme: "light" });
    await page.setViewportSize(PAPER);
    note(found, "print", name, await page.evaluate(() => [...look.cut({ paper: true }), ...look.folded()]));
  });
}

/** Goes through a page with the tabulator. */
async function byKeyboard(page, name, devtools, found) {
  const stops = await page.evaluate(() => look.startWalk());
  const tab = { type: "rawKeyDown", key: "Tab", code: "Tab", windowsVirtualKeyCode: 9 };
  for (let left = stops + 20; left > 0; left -= 50) {
    await Promise.all(Array.from({ length: Math.min(50, left) }, () => devtools.send("Input.dispatchKeyEvent", tab)));
  }
  const { missed, unseen } = await page.evaluate(() => look.endWalk());
  note(found, "keyboard", name, missed);
  note(found, "focus", name, unseen);
  await page.evaluate(() => { document.activeElement?.blur(); scrollTo(0, 0); });
}

/** The page on a phone. */
async function onPhone(browser, site, name, found, seen) {
  await open(browser, site, { page: name, layout: PHONE, keys: SERVED }, found, async (page) => {
    seen.shifts.set(name, Math.max(seen.shifts.get(name) ?? 0, await page.evaluate(() => look.shift())));
    await useMenus(page, name, found);
    await page.evaluate(() => look.fold(true));
    note(found, "overflow-phone", name, await page.evaluate(() => look.cut({})));
    await page.evaluate(AXE);
    note(found, "axe-phone", name, await page.evaluate((rules) => look.violations(rules), EVERY_RULE));
    await page.emulateMedia({ colorScheme: "dark" });
    note(found, "axe-dark", name, await page.evaluate((rules) => look.violations(rules), COLOURS), " (phone)");
  });
}

/** Opens each menu by its button, and closes it by Escape. */
async function useMenus(page, name, found) {
  const buttons = await page.locator("button[popovertarget]:visible").all();
  if (!buttons.length) found.fault("menu", `${name}: no button opens a menu`);
  for (const button of buttons) {
    const id = await button.getAttribute("popovertarget");
    await button.click();
    const opened = await page.locator(`#${id}`).isVisible();
    await page.keyboard.press("Escape");
    const closed = !(await page.locator(`#${id}`).isVisible());
    const back = await button.evaluate((element) => document.activeElement === element);
    if (!opened) found.fault("menu", `${name}: #${id} does not open`);
    if (!closed) found.fault("menu", `${name}: Escape does not close #${id}`);
    if (!back) found.fault("menu", `${name}: behind #${id} the focus is lost`);
    await button.blur();
  }
}

/** The page without scripts: formulas and text are there. */
async function withoutScripts(browser, site, name, found, seen) {
  await open(browser, site, { page: name, layout: { ...DESKTOP, javaScriptEnabled: false }, keys: SERVED }, found, async (page) => {
    note(found, "formulas", name, await page.evaluate(() => look.rawFormulas()));
    const length = await page.evaluate(() => look.textLength());
    const whole = seen.lengths.get(name) ?? 0;
    if (length < ENOUGH * whole) found.fault("scripts", `${name}: ${length} of ${whole} letters without scripts`);
  });
}

/** The page opened from the disk; a host's own page for what is missing has the host's addresses. */
async function asFile(browser, site, name, found) {
  if (name === "404.html") return;
  const address = pathToFileURL(path.join(site.folder, name)).href;
  const keys = { foreign: "file", failed: "file", console: "file" };
  await open(browser, site, { page: name, layout: DESKTOP, keys, address }, found, async (page) => {
    note(found, "file", name, await page.evaluate(() => look.brokenFonts()));
  });
}

/** Looks up every link into the site: its file, and the anchor on it. */
function followLinks(site, { links, sections }, found) {
  for (const [page, addresses] of links) {
    for (const address of addresses.filter((link) => link.startsWith(site.address))) {
      const { pathname, hash } = new URL(address);
      const target = decodeURIComponent(pathname.slice(new URL(site.address).pathname.length)) || "index.html";
      const anchor = decodeURIComponent(hash.slice(1));
      const anchors = sections.get(target);
      if (!fs.existsSync(path.join(site.folder, target))) found.fault("links", `${page}: no ${target}`);
      else if (anchor && anchors && !Object.hasOwn(anchors, anchor)) found.fault("links", `${page}: no #${anchor} on ${target}`);
    }
  }
}

/** Turns bytes and shifts into the figures of the table. */
function weigh({ weights, shifts }, found) {
  const sorted = [...weights].sort((a, b) => b[1] - a[1]);
  const told = sorted.map(([page, bytes]) => `${page}: ${(bytes / 1000).toFixed(0)} kB`);
  found.number("median", (sorted[Math.floor(sorted.length / 2)]?.[1] ?? 0) / 1000, told);
  found.number("heaviest", (sorted[0]?.[1] ?? 0) / 1000, told);
  const moved = [...shifts].sort((a, b) => b[1] - a[1]);
  found.number("shift", moved[0]?.[1] ?? 0, moved.map(([page, sum]) => `${page}: ${sum.toFixed(3)}`));
}
