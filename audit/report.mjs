// What is wanted, what was found, and the table of both.

/** Every row of the table: its key, what it counts, how much is allowed ("≤") or needed ("≥"), the unit. */
export const ROWS = [
  ["median", "median page, transferred", "≤", 200, "kB"],
  ["heaviest", "heaviest page, transferred", "≤", 500, "kB"],
  ["foreign", "requests to other hosts", "≤", 0],
  ["failed", "failed requests", "≤", 0],
  ["console", "errors in the console", "≤", 0],
  ["links", "broken links", "≤", 0],
  ["ids", "duplicate ids", "≤", 0],
  ["formulas", "formulas not drawn, without scripts", "≤", 0],
  ["scripts", "pages that need a script to be read", "≤", 0],
  ["file", "faults of pages opened as files", "≤", 0],
  ["images", "images without size or alternative text", "≤", 0],
  ["axe-light", "axe violations, light", "≤", 0],
  ["axe-dark", "axe violations, dark", "≤", 0],
  ["axe-phone", "axe violations, phone", "≤", 0],
  ["overflow-desktop", "cut or overflowing at 1280 px", "≤", 0],
  ["overflow-phone", "cut or overflowing at 360 px", "≤", 0],
  ["print", "cut or folded on paper", "≤", 0],
  ["menu", "menus of the phone that do not open and close", "≤", 0],
  ["keyboard", "not reached by keyboard", "≤", 0],
  ["focus", "reached, and the focus not seen", "≤", 0],
  ["shift", "layout shift, worst", "≤", 0.05],
  ["page", "search: right page within three", "≥", 95, "%"],
  ["section", "search: right section within three", "≥", 85, "%"],
  ["empty", "search: queries with an empty list", "≤", 0],
  ["first", "first search, transferred", "≤", 300, "kB"],
  ["answer", "slowest answer of the search", "≤", 100, "ms"],
  ["mobile", "Lighthouse performance, mobile, worst", "≥", 95],
  ["desktop", "Lighthouse performance, desktop, worst", "≥", 99],
  ["w3c", "errors of the W3C checker", "≤", 0],
];

/** What was found: places of faults by key, and numbers by key. */
export class Findings {
  constructor() {
    this.places = new Map();
    this.numbers = new Map();
    this.skipped = new Map();
  }

  /** Says that a key is looked at, though no fault may be found. */
  look(...keys) {
    for (const key of keys) if (!this.places.has(key)) this.places.set(key, []);
  }

  /** Adds a fault, once for each place. */
  fault(key, place) {
    this.look(key);
    if (!this.places.get(key).includes(place)) this.places.get(key).push(place);
  }

  /** Sets a number, with the places that explain it. */
  number(key, value, places = []) {
    this.numbers.set(key, value);
    this.places.set(key, places);
  }

  /** Says why a row was not measured. */
  skip(key, reason) {
    this.skipped.set(key, reason);
  }

  /** Returns the rows of the table, each with its verdict: true, false, or null where nothing was measured. */
  rows() {
    return ROWS.map(([key, what, sign, limit, unit = ""]) => {
      const measured = this.numbers.get(key) ?? this.places.get(key)?.length ?? null;
      const ok = measured === null ? null : sign === "≤" ? measured <= limit : measured >= limit;
      const wanted = `${limit === 0 ? "" : `${sign} `}${limit} ${unit}`.trim();
      return { key, what, measured, unit, wanted, ok, reason: this.skipped.get(key), places: this.places.get(key) ?? [] };
    });
  }
}

/** Returns a number as a reader wants it. */
function shown(value) {
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 1 ? 3 : 1);
}

/** Returns the table as text, and below it the first places of each row that misses. */
export function table(rows, most = 5) {
  const cells = rows.map(({ what, measured, unit, wanted, ok }) => [
    what, measured === null ? "not measured" : `${shown(measured)} ${unit}`.trim(), wanted,
    ok === null ? "-" : ok ? "yes" : "NO",
  ]);
  const all = [["what", "measured", "wanted", "ok"], ...cells];
  const widths = all[0].map((_, at) => Math.max(...all.map((row) => row[at].length)));
  const lines = all.map((row) => row.map((text, at) => text.padEnd(widths[at])).join(" | ").trimEnd());
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)).join("-|-"));
  for (const { what, ok, reason, places } of rows) {
    if (ok === null && reason) lines.push("", `${what}: ${reason}`);
    if (ok !== false) continue;
    lines.push("", `${what}:`, ...places.slice(0, most).map((place) => `  ${place}`));
    if (places.length > most) lines.push(`  ... and ${places.length - most} more (the report names all)`);
  }
  return lines.join("\n");
}
