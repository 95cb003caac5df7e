// The site's own search, used as a reader uses it: whole queries, among them pasted tracebacks.
const PAGE = "search.html";
const FIELD = "article input[type=search]";
const RESULTS = "#search-results li a";
const TIMES = 3; // each query is asked so often, and its fastest answer counts: the machine may be busy
const NEAR = 3;
const SETTLED = 2000; // milliseconds

/** Asks all queries on the search page; notes hits, empty lists, bytes and milliseconds. */
export async function measureSearch(browser, site, queries, sections, found) {
  found.look("empty");
  if (!site.pages.includes(PAGE)) return found.fault("empty", `there is no ${PAGE}`);
  found.number("first", (await firstSearch(browser, site)) / 1000);
  const page = await browser.newPage();
  await page.goto(site.address + PAGE);
  await ask(page, "warm up");
  const answers = [];
  for (const query of queries) answers.push({ query, ...(await ask(page, query.q)) });
  await page.close();
  judge(answers, site, sections, found);
}

/** Returns the bytes that the first search loads on a page that was opened before; not on the search's own, if others have a field. */
async function firstSearch(browser, site) {
  const page = await browser.newPage();
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Network.enable");
  const field = page.locator("input[type=search]:visible").first();
  for (const name of [site.pages.find((other) => other !== PAGE && other !== "404.html"), PAGE]) {
    await page.goto(site.address + name, { waitUntil: "networkidle" });
    if (await field.isVisible()) break;
  }
  let bytes = 0;
  devtools.on("Network.loadingFinished", (event) => { bytes += event.encodedDataLength; });
  await field.pressSequentially("loss");
  await page.waitForTimeout(SETTLED);
  await page.close();
  return bytes;
}

/** Pastes a query into the field; returns the addresses of the answers and the milliseconds until they stand there. */
async function ask(page, text) {
  const how = { text, field: FIELD, results: RESULTS, times: TIMES, settled: SETTLED };
  return page.evaluate(async ({ text, field, results, times, settled }) => {
    const input = document.querySelector(field);
    const list = document.querySelector("#search-results");
    let fastest = Infinity;
    for (let time = 0; time < times; time++) {
      input.value = "";
      const changed = new Promise((done) => {
        new MutationObserver((_, watch) => { watch.disconnect(); done(); }).observe(list, { childList: true, subtree: true });
        setTimeout(done, settled);
      });
      const start = performance.now();
      const clipboardData = new DataTransfer();
      clipboardData.setData("text", text);
      const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
      if (input.dispatchEvent(event)) {
        input.value = text;
        input.dispatchEvent(new Event("input", { bubbles: true }));
      }
      await changed;
      fastest = Math.min(fastest, performance.now() - start);
    }
    return { milliseconds: fastest, links: [...document.querySelectorAll(results)].map((link) => link.href) };
  }, how);
}

/** Whether an answer leads to the target or to a part of it. */
function leadsTo(link, target, sections) {
  const [page, anchor = ""] = link.split("#");
  const [wantedPage, wanted] = target.split("#");
  if (page !== wantedPage) return false;
  return !wanted || (sections.get(page)?.[decodeURIComponent(anchor)] ?? []).includes(wanted);
}

/** Turns answers into the figures of the table. */
function judge(answers, site, sections, found) {
  const misses = { page: [], section: [] };
  for (const { query, links } of answers) {
    const first = links.slice(0, NEAR).map((link) => link.slice(site.address.length));
    const told = `${query.id} "${query.q.replace(/\s+/g, " ").slice(0, 60)}": ${first.join(", ")}`;
    if (!links.length) found.fault("empty", told);
    if (!first.some((link) => query.targets.some((target) => leadsTo(link, target.split("#")[0], sections)))) misses.page.push(told);
    if (!first.some((link) => query.targets.some((target) => leadsTo(link, target, sections)))) misses.section.push(told);
  }
  for (const [key, told] of Object.entries(misses)) found.number(key, 100 * (1 - told.length / answers.length), told);
  const slow = [...answers].sort((a, b) => b.milliseconds - a.milliseconds);
  found.number("answer", slow[0].milliseconds, slow.map(({ query, milliseconds }) => `${query.id}: ${milliseconds.toFixed(0)} ms`));
}
