// The search fields of a page: results while typing, by section; the whole list on the search page.
(() => {
  "use strict";
  const root = document.documentElement.dataset.content_root || "./";
  const page = document.getElementById("search-results");
  const SHOWN = { panel: 8, page: 20 };
  const PAUSE = 150; // milliseconds

  let loading = null;
  const script = (name) => new Promise((done, failed) => {
    const element = document.createElement("script");
    element.src = `${root}_static/search/${name}`;
    element.onload = done;
    element.onerror = () => failed(new Error(`${name} could not be loaded`));
    document.head.append(element);
  });
  const ready = () => (loading ??= script("engine.js").then(() => script("index.js")));

  const make = (tag, text, properties = {}) =>
    Object.assign(document.createElement(tag), { textContent: text }, properties);

  // One result: the section, where it stands, and how it begins.
  const entry = ({ record }) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `${root}${record.page}${record.anchor ? `#${record.anchor}` : ""}`;
    link.append(make("span", record.heading, { className: "result-heading" }));
    if (record.path) link.append(make("span", record.path, { className: "result-path" }));
    if (record.summary) link.append(make("span", record.summary, { className: "result-text" }));
    item.append(link);
    return item;
  };

  const show = (list, query, most) => {
    const results = window.BookSearch.search(query, most);
    list.replaceChildren(...results.map(entry));
    return results;
  };

  // ------------------------------------------------------------------ the search page
  const answer = (query) => {
    const summary = page.querySelector(".search-summary");
    const list = page.querySelector("ul.search");
    if (!query.trim()) { list.replaceChildren(); summary.textContent = ""; return; }
    const results = show(list, query, SHOWN.page);
    summary.textContent = results.length && results[0].score
      ? `${results.length} sections, the best first.`
      : "No section has these words. These answer the questions asked most:";
  };
  const answerPage = (query, fields) => ready().then(() => {
    const address = new URL(location.href);
    address.searchParams.set("q", query);
    history.replaceState(null, "", address);
    for (const field of fields) if (field !== document.activeElement) field.value = query;
    answer(query);
  });

  // ------------------------------------------------------------------ the panel under a field
  const panelOf = (field, number) => {
    const panel = make("div", "", { className: "search-panel", hidden: true });
    const list = make("ul", "", { id: `search-panel-${number}` });
    const status = make("p", "", { className: "visually-hidden" });
    status.setAttribute("role", "status");
    list.setAttribute("aria-label", "Sections found");
    panel.append(list, status);
    field.form.append(panel);
    let chosen = -1;
    const links = () => [...list.querySelectorAll("a")];
    const choose = (next) => {
      chosen = Math.max(-1, Math.min(next, links().length - 1));
      (chosen < 0 ? field : links()[chosen]).focus();
    };
    const close = () => { panel.hidden = true; chosen = -1; };
    const open = () => ready().then(() => {
      if (!field.value.trim()) return close();
      const results = show(list, field.value, SHOWN.panel);
      status.textContent = `${results.length} sections. Arrow down leads to the first.`;
      panel.hidden = false;
      chosen = -1;
    });
    let waiting = 0; // who types to the end and presses Enter goes to the search page at once
    field.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(open, PAUSE);
    });
    field.form.addEventListener("submit", () => clearTimeout(waiting));
    field.form.addEventListener("keydown", (event) => {
      if (panel.hidden) return;
      if (event.key === "ArrowDown") { choose(chosen + 1); event.preventDefault(); }
      else if (event.key === "ArrowUp") { choose(chosen - 1); event.preventDefault(); }
      else if (event.key === "Escape") { close(); field.focus(); event.preventDefault(); }
    });
    field.form.addEventListener("focusout", (event) => {
      if (!field.form.contains(event.relatedTarget)) close();
    });
  };

  const fields = [...document.querySelectorAll(".book-search input[name=q]")];
  fields.forEach((field, number) => {
    if (page) field.addEventListener("input", () => answerPage(field.value, fields));
    else panelOf(field, number);
    // A pasted traceback has line breaks, which a field of one line would join without a space.
    field.addEventListener("paste", (event) => {
      const text = event.clipboardData?.getData("text") ?? "";
      if (!text.includes("\n")) return;
      event.preventDefault();
      field.setRangeText(text.replace(/\s+/g, " "), field.selectionStart, field.selectionEnd, "end");
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if ((event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing)) {
      const field = fields.find((candidate) => candidate.offsetParent !== null);
      if (field) { field.focus(); event.preventDefault(); }
    }
  });
  const asked = new URLSearchParams(location.search).get("q");
  if (page && asked !== null) answerPage(asked, fields);
})();
