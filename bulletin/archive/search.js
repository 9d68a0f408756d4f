// Search in the archive: asks the indexes that lie beside this page, and nobody else. Without it the page shows the ways
// to the index from A to Z instead.

const form = document.getElementById("Search");
const found = document.getElementById("Found");
const results = document.getElementById("Results");
const more = document.getElementById("More");
const ROOT = new URL(form.dataset.root, location.href);
const HERE = new URL("./", location.href);
const AT_A_TIME = 10;
const SLIPS = 2;

let engine;
let words;
let shown = [];
let asked = 0;

/** The indexes, loaded when they are needed first. */
function ready() {
  engine ??= (async () => {
    const [first, ...others] = form.dataset.indexes.split(" ").map(name => new URL(`${name}/`, HERE));
    const { createInstance } = await import(new URL("pagefind.js", first));
    const made = createInstance({ basePath: first.pathname, baseUrl: ROOT.pathname, noWorker: true });
    await made.init();
    for (const other of others) await made.mergeIndex(other.pathname, { baseUrl: ROOT.pathname });
    return made;
  })();
  return engine;
}

/** How many letters have to be changed, added, left out or swapped with their neighbour; `most` + 1 if more than that. */
function slips(a, b, most) {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let before, row = Array.from({ length: b.length + 1 }, (_, place) => place);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + same);
      if (before && i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        next[j] = Math.min(next[j], before[j - 2] + 1);
      }
    }
    if (Math.min(...next) > most) return most + 1;
    [before, row] = [row, next];
  }
  return row[b.length];
}

/** The words with each slip put right, as far as the archive has a word that is near. */
async function mended(text) {
  words ??= (await Promise.all(form.dataset.indexes.split(" ").map(
    async name => (await (await fetch(new URL(`${name}/words.txt`, HERE))).text()).split("\n")
  ))).flat();
  const known = new Set(words);
  return text.toLocaleLowerCase().split(/\s+/).filter(Boolean).map(word => {
    if (word.length < 4 || known.has(word)) return word;
    let best = word, fewest = Math.min(SLIPS, Math.floor(word.length / 4)) + 1;
    for (const one of words) {
      const needed = slips(word, one, fewest - 1);
      if (needed < fewest) [best, fewest] = [one, needed];
    }
    return best;
  }).join(" ");
}

async function search() {
  const turn = ++asked;
  const fields = new FormData(form);
  const text = fields.get("q").trim();
  const filters = {};
  for (const name of ["topic", "source", "year"]) if (fields.get(name)) filters[`${name}-${fields.get(name)}`] = "1";
  const address = new URL(location.href);
  address.search = new URLSearchParams([...fields].filter(([, value]) => value)).toString();
  history.replaceState(null, "", address);
  if (!text && !Object.keys(filters).length) return show([], "");
  try {
    const pagefind = await ready();
    const ask = async said => (await pagefind.search(said || null, { filters })).results;
    let said = "", list = await ask(text);
    if (!list.length && text) {
      const instead = await mended(text);
      if (instead !== text.toLocaleLowerCase()) {
        list = await ask(instead);
        if (list.length) said = form.dataset.instead.replace("#", instead) + " ";
      }
    }
    if (turn !== asked) return;
    const { none, one, some } = form.dataset;
    await show(list, said + (list.length === 0 ? none : list.length === 1 ? one : some.replace("#", list.length)));
  } catch {
    await show([], form.dataset.failed);
  }
}

async function show(list, said) {
  shown = list;
  results.replaceChildren();
  await add();
  found.textContent = said;
}

/** The next results, as links with words from the story around what was found. */
async function add() {
  const start = results.children.length;
  const day = new Intl.DateTimeFormat(form.dataset.lang, { dateStyle: "long", timeZone: "UTC" });
  for (const data of await Promise.all(shown.slice(start, start + AT_A_TIME).map(one => one.data()))) {
    const entry = document.createElement("li");
    entry.className = "entry";
    if (data.meta.lang) entry.lang = data.meta.lang;
    const heading = document.createElement("h2");
    const link = document.createElement("a");
    const [path, anchor] = data.meta.url.slice(1).split("#");
    link.href = new URL(`${path}index.html#${anchor}`, ROOT);
    link.textContent = data.meta.title;
    heading.append(link);
    const about = document.createElement("p");
    about.className = "meta";
    about.textContent = [data.meta.source, day.format(new Date(data.meta.date))].filter(Boolean).join(", ");
    const excerpt = document.createElement("p");
    for (const piece of data.excerpt.split(/(<mark>.*?<\/mark>)/)) {
      const words = new DOMParser().parseFromString(`<p>${piece}`, "text/html").body.textContent;
      const node = piece.startsWith("<mark>") ? document.createElement("mark") : document.createTextNode("");
      node.textContent = words;
      excerpt.append(node);
    }
    entry.append(heading, about, excerpt);
    results.append(entry);
  }
  more.hidden = results.children.length >= shown.length;
}

form.addEventListener("submit", event => { event.preventDefault(); search(); });
form.addEventListener("change", event => { if (event.target.id !== "Words") search(); });
form.addEventListener("focusin", () => ready().catch(() => {}), { once: true });
more.addEventListener("click", async () => {
  const place = results.children.length;
  await add();
  results.children[place]?.querySelector("a").focus();
});

// From a disk a browser loads no index: the page then stays as it is without a program.
if (location.protocol.startsWith("http")) {
  form.hidden = false;
  document.getElementById("Without").hidden = true;
  const given = new URLSearchParams(location.search);
  for (const [name, value] of given) if (form.elements[name]) form.elements[name].value = value;
  if ([...given.keys()].length) search();
}
