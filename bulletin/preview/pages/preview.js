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
  const spot = spotIn(frame, anchor);
  return spot ? spot.getBoundingClientRect().top + frame.contentWindow.scrollY : 0;
}

function placePins(frame) {
  const pins = frame.closest(".desk").querySelector(".pins");
  if (!frame.contentDocument?.body || !frame.clientHeight) return;
  if (!pins.children.length) {
    for (const show of shows) {
      const pin = document.createElement("a");
      const item = document.getElementById(`finding-${show.dataset.finding}`);
      pin.className = `pin${item.classList.contains("severe") ? " severe" : ""}`;
      pin.href = `#${item.id}`;
      pin.textContent = show.dataset.finding;
      pin.dataset.anchor = show.dataset.anchor;
      pin.setAttribute("aria-label", `Finding ${show.dataset.finding}`);
      pin.addEventListener("click", () => item.focus());
      pins.append(pin);
    }
  }
  const order = [...pins.children].map((pin) => [heightOf(frame, pin.dataset.anchor), pin]);
  order.sort((one, other) => one[0] - other[0]);
  let free = 0;
  for (const [wanted, pin] of order) {
    const top = Math.max(wanted, free);
    free = top + step;
    const seen = top - frame.contentWindow.scrollY;
    pin.style.top = `${seen}px`;
    pin.style.visibility = seen < -4 || seen > frame.clientHeight - 20 ? "hidden" : "visible";
  }
}

for (const show of shows) {
  show.addEventListener("click", (event) => {
    event.preventDefault();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const inMail = /^(item|section)-/.test(show.dataset.anchor);
    for (const frame of frames) {
      if (!frame.clientHeight || !frame.contentDocument?.body) continue;
      frame.contentWindow.scrollTo({ top: heightOf(frame, show.dataset.anchor) - 16, behavior: still ? "auto" : "smooth" });
    }
    const spoken = document.querySelector(".spoken");
    const said = spoken?.querySelector(`[data-anchor="${CSS.escape(show.dataset.anchor)}"]`);
    if (said) spoken.scrollTop = said.offsetTop - 8;
    for (const old of document.querySelectorAll(".pin.chosen")) old.classList.remove("chosen");
    for (const pin of document.querySelectorAll(".pins .pin")) {
      if (pin.textContent === show.dataset.finding) pin.classList.add("chosen");
    }
    const first = frames.find((frame) => frame.clientHeight);
    const goal = inMail && first ? first.closest(".view") : document.querySelector(".inbox");
    const box = goal.getBoundingClientRect();
    if (box.top < 0 || box.top > innerHeight - 200) goal.scrollIntoView({ block: "start" });
  });
}

function remember() {
  const inner = frames.map((frame) => frame.contentWindow.scrollY);
  sessionStorage.setItem(place, JSON.stringify({ page: scrollY, frames: inner }));
}

function settle(frame, number) {
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
