// Drive the playground as a reader does: node play_in_browser.mjs MODULES CHROME PAGE
// MODULES is a folder whose node_modules hold playwright-core. Prints what was seen, as JSON.
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, chrome, file] = process.argv.slice(2);
const { chromium } = createRequire(path.join(path.resolve(modules), "x.js"))("playwright-core");
const browser = await chromium.launch({ executablePath: chrome, args: ["--no-sandbox"] });
const address = pathToFileURL(file).href;
const errors = [];

/** Open the page in a new context, in which `prepare` has run first. */
async function open(options = {}, prepare = null) {
  const context = await browser.newContext({ viewport: { width: 360, height: 800 }, ...options });
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(String(error)));
  if (prepare) await page.addInitScript(prepare);
  await page.goto(address);
  return page;
}

/** What the playground says at this moment. */
const read = (page) => page.evaluate(() => {
  const words = (name) => document.querySelector(`#play-network ${name}`).textContent;
  return {
    step: Number(words(".play-step").replace(/\D/g, "")),
    verdict: words(".play-verdict"),
    entries: [...document.querySelectorAll("#play-network .play-scroll tbody td:last-child")]
      .map((cell) => Number(cell.textContent.replace("−", "-").replaceAll(",", ""))),
  };
});

/** Wait until the training has come to a step. */
const reach = (page, step) => page.waitForFunction((wanted) => {
  const shown = document.querySelector("#play-network .play-step").textContent;
  return Number(shown.replace(/\D/g, "")) >= wanted;
}, step, { timeout: 120000 });

/** Learn, forget and pause by keyboard alone. */
async function byKeyboard() {
  const page = await open();
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  const still = await read(page);
  await page.focus("#play-network .play-run");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() =>
    document.querySelector("#play-network .play-verdict").textContent.includes("just begun"));
  await reach(page, 2500);
  const learned = await read(page);
  await page.focus("#play-network [name=play-weight]:checked");
  for (let i = 0; i < 3; i += 1) await page.keyboard.press("ArrowDown");
  const chosen = await page.inputValue("#play-network [name=play-weight]:checked");
  await reach(page, (await read(page)).step + 2000);
  const forgotten = await read(page);
  await page.focus("#play-network .play-run");
  await page.keyboard.press("Space");
  await page.waitForTimeout(300);
  const paused = await read(page);
  await page.waitForTimeout(500);
  return { width, still, learned, chosen, forgotten, paused, later: await read(page) };
}

/** From the still picture straight to the weight 1; what is spoken meanwhile. */
async function fromStill() {
  const page = await open();
  await page.evaluate(() => {
    window.spoken = [];
    const element = document.querySelector("#play-network .play-spoken");
    new MutationObserver(() => window.spoken.push(element.textContent))
      .observe(element, { childList: true, characterData: true, subtree: true });
  });
  await page.check("#play-network [name=play-weight][value='1']");
  await reach(page, 3100);
  const begun = await read(page);
  await page.waitForTimeout(4000);
  return { begun, spoken: await page.evaluate(() => window.spoken) };
}

/** The entries of layers that start as twins. */
async function twins() {
  const page = await open();
  await page.click("#play-network summary");
  await page.check("#play-twins");
  const start = await page.waitForFunction(() => {
    const cells = [...document.querySelectorAll("#play-network .play-scroll tbody td:last-child")];
    const step = document.querySelector("#play-network .play-step").textContent;
    return step === "step 0" && cells.map((cell) => cell.textContent);
  });
  return start.jsonValue();
}

/** Without workers, the training runs in slices on the page's own thread. */
async function withoutWorker() {
  const page = await open({}, () => { delete window.Worker; });
  await page.click("#play-network .play-run");
  await reach(page, 600);
  return read(page);
}

/** Which parts are seen without scripts. */
async function withoutScripts() {
  const page = await open({ javaScriptEnabled: false });
  const seen = (name) => page.locator(`#play-network ${name}`).first().isVisible();
  return { picture: await seen("svg"), still: await seen(".play-still"), run: await seen(".play-run") };
}

const seen = {};
for (const scene of [byKeyboard, fromStill, twins, withoutWorker, withoutScripts]) {
  seen[scene.name] = await scene();
}
await browser.close();
console.log(JSON.stringify({ ...seen, errors }));
