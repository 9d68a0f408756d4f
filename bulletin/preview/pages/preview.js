// Looks for a save about once a second, and shows the new state at the place the editor was at.
"use strict";

const shown = document.documentElement.dataset.version;
const frames = [...document.querySelectorAll("iframe")];
const status = document.getElementById("status");
const place = `scroll ${location.pathname}${location.search}`;
const kept = JSON.parse(sessionStorage.getItem(place) || "null");
sessionStorage.removeItem(place);

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
}

frames.forEach((frame, number) => {
  frame.addEventListener("load", () => settle(frame, number));
  if (frame.contentDocument?.readyState === "complete") settle(frame, number);
});
if (kept) scrollTo(0, kept.page);

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
