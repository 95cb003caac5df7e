// The book's search, without any page: it cuts words, builds the index (when the book is built) and
// ranks the sections for a query (in the browser, and in the tests). One record is one section.
//
// Ranking is BM25 (Robertson and Zaragoza 2009) over words that count more in headings and in readers'
// own words; any word of the query may be missing, misspelt or unfinished. A section whose heading, or
// one of the phrases under which readers look for it, says the same as the query, comes first.
var BookSearch = (() => {
  "use strict";

  const WEIGHT = { heading: 4, asked: 3, page: 1, text: 1, code: 0.6 };
  const SATURATION = 1.2; // BM25's k1
  const LENGTH = 0.5; // BM25's b
  const STOP = new Set(
    ("a an and are as at be by can cannot do does did for from get got give gives has have how i if in is it its " +
      "me my of on one or s so t that the their them then there these this to use used uses using was we what " +
      "when where which while who why will with you your not no am any into just like make need should would " +
      "could than about after all also but more most only other some such too very want wrong way").split(" "),
  );
  const BRITISH = [
    [/isation/g, "ization"], [/ise\b/g, "ize"], [/ised\b/g, "ized"], [/ising\b/g, "izing"],
    [/iser/g, "izer"], [/our\b/g, "or"], [/ours\b/g, "ors"], [/yse\b/g, "yze"], [/lling\b/g, "ling"],
  ];

  // What a pasted traceback holds besides its message.
  const scrub = (text) =>
    text
      .replace(/(^|\s)(?:[\w.]+\.)?\w+(?:Error|Warning|Exception): (?=\S)/g, " ")
      .replace(/File "[^"]*", line \d+(, in \S+)?/g, " ")
      .replace(/\b0x[0-9a-f]+\b/gi, " ")
      .replace(/(https?:\/\/|(?:[A-Za-z]:)?[\/\\])[\w.\-\/\\]+/g, " ");

  const stem = (word) => {
    if (word.length < 4 || /\d/.test(word)) return word;
    let w = word;
    if (w.endsWith("ies") && w.length > 4) w = w.slice(0, -3) + "y";
    else if (/(ss|x|ch|sh)es$/.test(w)) w = w.slice(0, -2);
    else if (/[^siu]s$/.test(w)) w = w.slice(0, -1);
    if (/[aeiouy].*ing$/.test(w) && w.length > 5) w = w.slice(0, -3);
    else if (/[aeiouy].*ed$/.test(w) && w.length > 4) w = w.slice(0, -2);
    w = w.replace(/([b-df-hj-km-np-rtv-z])\1$/, "$1");
    return w.length > 4 && w.endsWith("e") ? w.slice(0, -1) : w;
  };

  // Words of a text: names of code whole and in parts, American spelling, stems.
  const words = (text) => {
    const found = [];
    for (const [name] of scrub(text.normalize("NFKC")).matchAll(/[\p{L}\p{N}_]+(?:'s)?/gu)) {
      const whole = name.replace(/'s$/, "").toLowerCase();
      const parts = name
        .replace(/'s$/, "")
        .replace(/([a-z\d])([A-Z])/g, "$1 $2")
        .replace(/([A-Z]+)([A-Z][a-z])/g, "$1 $2")
        .toLowerCase()
        .split(/[\s_]+/)
        .filter(Boolean);
      if (parts.length > 1) found.push(whole.replace(/_/g, ""));
      for (const part of parts) {
        if (!STOP.has(part) && !/^\d{3,}$/.test(part)) found.push(stem(BRITISH.reduce((w, [from, to]) => w.replace(from, to), part)));
      }
    }
    return found;
  };

  // A text as its bare words in order, to see whether one says the whole of another.
  const plain = (text) => ` ${scrub(text).toLowerCase().match(/[\p{L}\p{N}]+/gu)?.join(" ") ?? ""} `;
  const isQuotation = (text) => text.split(" ").length >= 4 + 2; // four words, and the blanks around

  // Records {page, anchor, heading, path, asked, text, code, boost} to the index that pages load.
  const build = (records) => {
    const postings = new Map();
    // A word of code that stands in one section only, and in no sentence, is a name that nobody asks for.
    const said = new Set(records.flatMap((r) => words([r.heading, ...r.asked, r.text].join(" "))));
    const coded = new Map();
    for (const r of records) for (const word of new Set(words(r.code))) coded.set(word, (coded.get(word) || 0) + 1);
    const kept = (word) => said.has(word) || coded.get(word) > 1;
    const lengths = records.map((record, id) => {
      const counts = new Map();
      const add = (text, weight) => {
        for (const word of words(text)) counts.set(word, (counts.get(word) || 0) + weight);
      };
      add(record.heading, WEIGHT.heading);
      for (const phrase of record.asked) add(phrase, WEIGHT.asked);
      add(record.path, WEIGHT.page);
      add(record.text, WEIGHT.text);
      add(record.code, WEIGHT.code);
      let length = 0;
      for (const [word, count] of counts) {
        if (!kept(word)) continue;
        const tf = Math.min(60, Math.max(1, Math.round(count)));
        length += count;
        if (!postings.has(word)) postings.set(word, []);
        postings.get(word).push(id, tf);
      }
      return Math.round(length);
    });
    const terms = [...postings.keys()].filter((word) => word.length < 40).sort();
    const gaps = (list) => list.map((value, i) => (i % 2 ? value : value - (i > 1 ? list[i - 2] : 0)));
    return {
      terms: terms.join(" "),
      postings: terms.map((word) => gaps(postings.get(word)).join(" ")).join(","),
      lengths,
      records: records.map((r) => [r.page, r.anchor, r.heading, r.path, r.asked.join("|"), r.summary, r.boost]),
    };
  };

  let index = null;
  const load = (stored) => {
    const terms = stored.terms.split(" ");
    const lists = stored.postings.split(",").map((text) => {
      const numbers = text.split(" ").map(Number);
      for (let i = 2; i < numbers.length; i += 2) numbers[i] += numbers[i - 2];
      return numbers;
    });
    index = {
      terms,
      postings: new Map(terms.map((term, i) => [term, lists[i]])),
      lengths: stored.lengths,
      mean: stored.lengths.reduce((a, b) => a + b, 0) / stored.lengths.length,
      records: stored.records.map(([page, anchor, heading, path, asked, summary, boost]) => ({
        page, anchor, heading, path, summary, boost,
        phrases: [heading, ...asked.split("|")].filter(Boolean).map((phrase) => new Set(words(phrase))),
        sayings: [heading, ...asked.split("|")].map(plain).filter(isQuotation),
      })),
    };
    return index;
  };

  // Damerau-Levenshtein distance, given up above `most`.
  const distance = (a, b, most) => {
    if (Math.abs(a.length - b.length) > most) return most + 1;
    let before = [], row = Array.from({ length: b.length + 1 }, (_, j) => j);
    for (let i = 1; i <= a.length; i++) {
      const next = [i];
      for (let j = 1; j <= b.length; j++) {
        const cost = a[i - 1] === b[j - 1] ? 0 : 1;
        next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + cost);
        if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) next[j] = Math.min(next[j], before[j - 2] + 1);
      }
      if (Math.min(...next) > most) return most + 1;
      before = row; row = next;
    }
    return row[b.length];
  };

  // The terms of the index that a word of the query may mean, each with how much it counts.
  const meanings = (word) => {
    const found = new Map();
    if (index.postings.has(word)) found.set(word, 1);
    if (word.length >= 3) {
      for (const term of index.terms) {
        if (term.length > word.length && term.startsWith(word)) {
          found.set(term, (index.postings.has(word) ? 0.3 : 0.8) * (word.length / term.length));
        }
      }
    }
    if (!index.postings.has(word) && word.length >= 4) {
      const most = word.length >= 8 ? 2 : 1;
      for (const term of index.terms) {
        if (term.length < 4 || (most === 1 && term[0] !== word[0])) continue;
        const d = distance(word, term, most);
        if (d <= most) found.set(term, Math.max(found.get(term) || 0, d === 1 ? 0.7 : 0.45));
      }
    }
    return found;
  };

  const idf = (count) => Math.log(1 + (index.lengths.length - count + 0.5) / (count + 0.5));

  // How much of a phrase and of the query are the same words: 1 when they say the same.
  const likeness = (query, mass, phrase) => {
    let common = 0, own = 0;
    for (const word of phrase) {
      const weight = idf((index.postings.get(word) || []).length / 2);
      own += weight;
      if (query.has(word)) common += weight;
    }
    return own && mass ? (2 * common) / (own + mass) : 0;
  };

  // The sections that answer a query, best first: [{record, score, words}].
  const search = (text, most = 20) => {
    const asked = [...new Set(words(text))];
    const query = plain(text), quotes = isQuotation(query);
    const scores = new Map();
    const exact = new Set();
    let mass = 0;
    for (const word of asked) {
      const terms = meanings(word);
      const best = new Map();
      for (const [term, weight] of terms) {
        const list = index.postings.get(term), rarity = idf(list.length / 2);
        if (weight >= 0.45) exact.add(term);
        for (let i = 0; i < list.length; i += 2) {
          const id = list[i], tf = list[i + 1];
          const norm = SATURATION * (1 - LENGTH + (LENGTH * index.lengths[id]) / index.mean);
          const score = (weight * rarity * tf * (SATURATION + 1)) / (tf + norm);
          if (score > (best.get(id) || 0)) best.set(id, score);
        }
      }
      const own = index.postings.get(word);
      mass += own ? idf(own.length / 2) : terms.size ? idf(5) : 0;
      for (const [id, score] of best) scores.set(id, (scores.get(id) || 0) + score);
    }
    const found = [...scores].map(([id, score]) => {
      const record = index.records[id];
      const like = Math.max(...record.phrases.map((phrase) => likeness(exact, mass, phrase)));
      const quoted = record.sayings.some((saying) => query.includes(saying) || (quotes && saying.includes(query))) ? 2 : 1;
      return { record, score: score * record.boost * quoted * (1 + 1.5 * like * like) };
    });
    found.sort((a, b) => b.score - a.score);
    const list = found.slice(0, most);
    return list.length ? list : index.records.filter((r) => r.boost > 1).slice(0, 5).map((record) => ({ record, score: 0 }));
  };

  return { words, build, load, search };
})();
