// What is looked at inside a page. Run in the page itself, where it leaves one object: `look`.
var look = (() => {
  "use strict";
  const SHOWN = { visibilityProperty: true, contentVisibilityAuto: false };
  const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";
  const RAW_TEX = /\$\$|\\[([]|\\(?:frac|mathrm|mathcal|begin|sum|sigma|mu|log|text)\b/;
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  /** Names an element by what it is, where it stands, and how its text begins. */
  const name = (element) => {
    const near = element.closest("[id]");
    const own = element.localName + (typeof element.className === "string" && element.className ? `.${element.className.trim().split(/\s+/)[0]}` : "");
    const text = (element.getAttribute("aria-label") || element.getAttribute("src") || element.textContent || "").replace(/\s+/g, " ").trim().slice(0, 40);
    return `${own}${near ? ` in #${near.id}` : ""}${text ? ` "${text}"` : ""}`;
  };

  /** Scrolls to the end, so that late pictures load, and back; waits for pictures and fonts. */
  const readToTheEnd = async () => {
    for (let y = 0; y < document.documentElement.scrollHeight; y += 600) {
      scrollTo(0, y);
      await new Promise((next) => requestAnimationFrame(next));
    }
    for (const image of document.images) await (image.complete || image.decode().catch(() => null));
    await document.fonts.ready;
    scrollTo(0, 0);
    await new Promise((next) => setTimeout(next, 100));
  };

  /** Returns how far the layout moved by itself since the page was opened. */
  const shift = () => new Promise((done) => {
    let sum = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => done(sum), 50);
  });

  /** Returns the addresses that a page links to. */
  const links = () => [...new Set(all("a[href], area[href], link[href]").map((link) => link.href))];

  /** Returns the ids that stand more than once. */
  const duplicateIds = () => {
    const ids = all("[id]").map((element) => element.id);
    return [...new Set(ids.filter((id, at) => ids.indexOf(id) !== at))];
  };

  /** Returns each anchor with the anchors of all places that hold it; several may name one section. */
  const anchors = () => Object.fromEntries(all("[id]").map((element) => {
    const around = [];
    for (let at = element; at; at = at.parentElement) {
      if (at.id) around.push(at.id);
      if (at.localName === "section") around.push(...all(":scope > span[id]", at).map((span) => span.id));
    }
    return [element.id, around];
  }));

  /** Returns the images without a size, or whose text is missing; outside the article it may be empty. */
  const poorImages = () => all("img").filter((image) => {
    const sized = image.hasAttribute("width") && image.hasAttribute("height");
    const told = image.closest("article") ? image.alt.trim() : image.hasAttribute("alt");
    return !sized || !told;
  }).map(name);

  /** Returns the formulas that are still TeX, or that could not be drawn. */
  const rawFormulas = () => {
    const found = all(".math").filter((place) => !place.querySelector("math, svg, mjx-container")).concat(all("merror"));
    const texts = document.createTreeWalker(document.querySelector("article") ?? document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const parent = texts.currentNode.parentElement;
      const verbatim = parent.closest("code, pre, math, script, style, kbd, textarea");
      if (!verbatim && RAW_TEX.test(texts.currentNode.data)) found.push(parent);
    }
    return found.map(name);
  };

  /** Returns the length of the text that is seen in the article. */
  const textLength = () => (document.querySelector("article") ?? document.body).innerText.length;

  /** Returns the fonts that failed to load. */
  const brokenFonts = () => [...document.fonts].filter((font) => font.status === "error").map((font) => font.family);

  /** Opens or closes all folds, and waits until what moves then has come to rest. */
  const fold = async (open) => {
    all("details").forEach((box) => { box.open = open; });
    const passing = document.getAnimations().filter((motion) => motion.effect.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(passing.map((motion) => motion.finished));
  };

  /** Whether an element hides a part of what it holds; a reader may scroll a table, but not an equation or paper. */
  const hidesAPart = (element, { paper, wide }) => {
    if (element.clientWidth <= 1) return false;
    const style = getComputedStyle(element);
    const lost = (overflow) => /hidden|clip/.test(overflow) || (paper && overflow !== "visible");
    const equation = wide && element.querySelector("math[display=block]") && style.overflowX !== "visible";
    return (element.scrollWidth > element.clientWidth + 1 && (lost(style.overflowX) || equation)) ||
      (element.scrollHeight > element.clientHeight + 3 && lost(style.overflowY));
  };

  /** Returns what is cut off, and whether the page itself is wider than the window. */
  const cut = (how) => {
    const width = document.documentElement.clientWidth;
    const wider = document.documentElement.scrollWidth > width + 1;
    const over = wider ? all("article *").filter((e) => e.getBoundingClientRect().right > width + 1 && e.checkVisibility(SHOWN)) : [];
    const innermost = over.filter((element) => !over.some((other) => other !== element && element.contains(other)));
    const found = wider ? [`the page is ${document.documentElement.scrollWidth} px wide`, ...innermost.slice(0, 3).map(name)] : [];
    return found.concat(all("article, article *").filter((element) => hidesAPart(element, how)).map(name));
  };

  /** Returns the folds whose content is not seen. */
  const folded = () => all("details:not([open])")
    .filter((box) => box.checkVisibility())
    .filter((box) => [...box.children].some((child) => child.localName !== "summary" && !child.checkVisibility()))
    .map(name);

  /** What of an element's look, or of what it draws around itself, may show the focus. */
  const looks = (element) => [null, "::before", "::after"].map((pseudo) => {
    const style = getComputedStyle(element, pseudo);
    return ["outline", "boxShadow", "backgroundColor", "border", "textDecoration", "color"].map((part) => style[part]).join("|");
  }).join("|");

  /** Whether an element can be seen at all; a link that covers its card has no size of its own. */
  const isSeen = (element) => {
    const box = element.getBoundingClientRect();
    const covers = getComputedStyle(element, "::after").position === "absolute";
    let opacity = 1;
    for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    return ((box.width > 1 && box.height > 1) || covers) && opacity > 0.1;
  };

  /** What only a pointer reaches: hidden until it hovers; but for links to the place where they stand. */
  const forPointersOnly = () => all("article :is(a[href], button)").filter((element) =>
    getComputedStyle(element).visibility === "hidden" && getComputedStyle(element.parentElement).visibility === "visible" &&
    element.parentElement.checkVisibility(SHOWN) && !element.classList.contains("headerlink"));

  let walk = null;

  /** Whether the tabulator passes by an element that the arrow keys lead to: all buttons of a group but the chosen one. */
  const isByArrows = (element) => element.type === "radio" && !element.checked;

  /** Watches which elements the focus reaches; returns how many there are. */
  const startWalk = () => {
    const expected = all(FOCUSABLE).filter((element) => !isByArrows(element) && element.tabIndex >= 0 && !element.disabled && element.checkVisibility(SHOWN));
    const before = new Map(expected.map((element) => [element, looks(element)]));
    walk = { expected, reached: new Set(), unseen: new Set() };
    document.addEventListener("focusin", ({ target }) => {
      walk.reached.add(target);
      if (looks(target) === before.get(target) || !isSeen(target)) walk.unseen.add(target);
    });
    return expected.length;
  };

  /** Returns what the focus did not reach, and where it was not seen. */
  const endWalk = () => ({
    missed: [...walk.expected.filter((element) => !walk.reached.has(element) && element.checkVisibility(SHOWN)), ...forPointersOnly()].map(name),
    unseen: [...walk.unseen].map(name),
  });

  /** Names the axe violations of the page, each with its place, and its colours if they are at fault. */
  const violations = async (options) => (await axe.run(document, options)).violations.flatMap((rule) =>
    rule.nodes.map((node) => {
      const { fgColor, bgColor } = node.any[0]?.data ?? {};
      const colours = fgColor ? ` (${fgColor} on ${bgColor})` : "";
      return `${rule.id} (${rule.impact}) at ${node.target.flat().join(" ").slice(0, 140)}${colours}`;
    }));

  return {
    anchors, brokenFonts, cut, duplicateIds, endWalk, fold, folded, links, poorImages, rawFormulas, readToTheEnd, shift,
    startWalk, textLength, violations,
  };
})();
