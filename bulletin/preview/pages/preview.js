// Looks for a save about once a second, and shows the new state at the place the editor was at.
"use strict";

const shown = document.documentElement.dataset.version;
const frames = [...document.querySelectorAll("iframe")];
const status = document.getElementById("status");
const place = `scroll ${location.pathname}${location.search}`;
const kept = JSON.parse(sessionStorage.getItem(place) || "null");
sessionStorage.removeItem(place);

// ---------------------------------------------------------------- which views are shown

const choose = document.getElementById("choose");
choose?.addEventListener("change", () => {
  const wanted = [...choose.querySelectorAll("[name=view]:checked")].map((box) => box.value);
  for (const view of document.querySelectorAll(".view")) view.hidden = !wanted.includes(view.dataset.view);
  const query = new URLSearchParams(location.search);
  query.set("view", wanted.join(",") || "none");
  history.replaceState(null, "", `?${query}`);
  for (const link of document.querySelectorAll(".tabs a")) {
    const target = new URL(link.href);
    target.searchParams.set("view", wanted.join(","));
    link.href = target;
  }
  for (const frame of frames) placePins(frame);
});
choose?.classList.add("live");

// ---------------------------------------------------------------- findings, and their pins beside the mails

const shows = [...document.querySelectorAll(".show")];
const step = 28;

function spotIn(frame, anchor) {
  const mail = frame.contentDocument;
  return (anchor && mail && (mail.getElementById(anchor) || mail.getElementsByName(anchor)[0])) || null;
}

function heightOf(frame, anchor) {
  // The welcome and the notice have no place of their own: they follow the masthead.
  const after = /^(welcome|notice)$/.test(anchor) && frame.contentDocument?.querySelector("h1");
  if (after) return after.getBoundingClientRect().bottom + frame.contentWindow.scrollY;
  const spot = spotIn(frame, anchor);
  return spot ? spot.getBoundingClientRect().top + frame.contentWindow.scrollY : 0;
}

// Mails are drawn smaller where the window is too narrow for two side by side.
const scaleOf = (frame) => frame.getBoundingClientRect().width / frame.offsetWidth || 1;

function placePins(frame) {
  const pins = frame.closest(".desk").querySelector(".pins");
  if (!frame.contentDocument?.body || !frame.clientHeight) return;
  if (!pins.children.length) {
    for (const show of shows.filter((one) => one.dataset.anchor)) {
      const pin = document.createElement("a");
      const item = document.getElementById(`finding-${show.dataset.finding}`);
      pin.className = `pin${item.classList.contains("severe") ? " severe" : ""}`;
      pin.href = `#${item.id}`;
      pin.textContent = show.dataset.finding;
      pin.dataset.anchor = show.dataset.anchor;
      pin.dataset.finding = show.dataset.finding;
      pin.setAttribute("aria-label", `Finding ${show.dataset.finding}`);
      pins.append(pin);
    }
  }
  const order = [...pins.children].map((pin) => [heightOf(frame, pin.dataset.anchor), pin]);
  order.sort((one, other) => one[0] - other[0]);
  const scale = scaleOf(frame), height = frame.clientHeight * scale;
  let free = 0;
  for (const [wanted, pin] of order) {
    const top = Math.max(wanted * scale, free);
    free = top + step;
    const seen = top - frame.contentWindow.scrollY * scale;
    pin.style.top = `${seen}px`;
    pin.style.visibility = seen < -4 || seen > height - 20 ? "hidden" : "visible";
  }
}

for (const show of shows) {
  show.addEventListener("click", (event) => {
    event.preventDefault();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    for (const frame of frames) {
      if (!show.dataset.anchor || !frame.clientHeight || !frame.contentDocument?.body) continue;
      frame.contentWindow.scrollTo({ top: heightOf(frame, show.dataset.anchor) - 16, behavior: still ? "auto" : "smooth" });
    }
    const spoken = document.querySelector(".spoken");
    const said = spoken?.querySelector(`[data-anchor="${CSS.escape(show.dataset.anchor)}"]`);
    if (said) spoken.scrollTop = said.offsetTop - 8;
    for (const old of document.querySelectorAll(".pin.chosen")) old.classList.remove("chosen");
    for (const pin of document.querySelectorAll(`.pin[data-finding="${show.dataset.finding}"]`)) pin.classList.add("chosen");
    const first = frames.find((frame) => frame.clientHeight);
    const goal = show.dataset.anchor && first ? first.closest(".view") : document.querySelector(".inbox");
    const box = goal.getBoundingClientRect();
    if (box.top < 0 || box.top > innerHeight - 200) goal.scrollIntoView({ block: "start" });
  });
}

document.addEventListener("click", (event) => {
  const pin = event.target.closest?.(".pin[data-finding]");
  if (pin) document.getElementById(`finding-${pin.dataset.finding}`).focus();
});

function remember() {
  // A frame whose mail is gone shows the browser's own page, which lets nobody look inside.
  const inner = frames.map((frame) => (frame.contentDocument ? frame.contentWindow.scrollY : 0));
  sessionStorage.setItem(place, JSON.stringify({ page: scrollY, frames: inner }));
}

function settle(frame, number) {
  if (!frame.contentDocument) return;
  for (const link of frame.contentDocument.querySelectorAll("a[href^='http'], a[href^='mailto']")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer";
  }
  if (kept) frame.contentWindow.scrollTo(0, kept.frames[number] || 0);
  frame.contentWindow.addEventListener("scroll", () => placePins(frame), { passive: true });
  placePins(frame);
}

frames.forEach((frame, number) => {
  frame.addEventListener("load", () => settle(frame, number));
  if (frame.contentDocument?.readyState === "complete" && frame.contentWindow.location.href !== "about:blank") settle(frame, number);
});
if (kept) scrollTo(0, kept.page);
addEventListener("resize", () => frames.forEach(placePins));

async function look() {
  try {
    const answer = await fetch("/version", { cache: "no-store" });
    const { version } = await answer.json();
    if (version !== shown) {
      remember();
      location.reload();
      return;
    }
    status.textContent = "";
  } catch {
    status.textContent = "The preview has stopped. Start it again in the terminal: bulletin preview";
  }
  setTimeout(look, 700);
}
setTimeout(look, 700);
