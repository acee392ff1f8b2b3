"use strict";
// Tables are sorted by a click on a heading; a second click turns the order round.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.querySelectorAll("th")];
  heads.forEach((head, column) =>
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      const inOrder = rows.sort((a, b) => (down ? -1 : 1) * compared(a.cells[column], b.cells[column]));
      table.tBodies[0].append(...inOrder);
    })
  );
}

function compared(a, b) {
  if (a.dataset.key !== undefined && b.dataset.key !== undefined) {
    const [x, y] = [a, b].map((cell) => (cell.dataset.key === "-inf" ? -Infinity : Number(cell.dataset.key)));
    return x === y ? 0 : x - y;
  }
  return a.textContent.localeCompare(b.textContent, "en", { numeric: true });
}

// One cursor for the film and all curves of an episode.
for (const episode of document.querySelectorAll(".episode")) {
  const data = JSON.parse(episode.querySelector("script").textContent);
  const last = data.panes[0].length - 1;
  const video = episode.querySelector("video");
  const bar = episode.querySelector("input");
  const clock = episode.querySelector(".time output");
  const panes = [...episode.querySelectorAll(".pane")].map((pane, index) => ({
    area: pane.querySelector(".area"),
    cursor: pane.querySelector(".cursor"),
    numbers: [...pane.querySelectorAll(".key output")],
    values: data.panes[index],
  }));

  const show = (instant) => {
    bar.value = instant;
    clock.textContent = (instant / data.hz).toFixed(2) + " s";
    for (const pane of panes) {
      pane.cursor.style.left = (100 * instant) / Math.max(1, last) + "%";
      pane.numbers.forEach((number, line) => {
        const value = pane.values[instant][line];
        number.textContent = value === null ? "\u2013" : String(value);
      });
    }
  };
  const seek = (instant) => {
    show(instant);
    if (!video) return;
    video.pause();
    video.currentTime = (instant + 0.5) / data.hz; // the middle of its frame
  };
  const under = (event, area) => {
    const box = area.getBoundingClientRect();
    return Math.round(last * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
  };
  for (const pane of panes) {
    for (const kind of ["pointermove", "pointerdown"]) {
      pane.area.addEventListener(kind, (event) => seek(under(event, pane.area)));
    }
  }
  bar.addEventListener("input", () => seek(Number(bar.value)));
  if (video) {
    const follow = () => {
      if (!video.paused) show(Math.min(last, Math.floor(video.currentTime * data.hz)));
      if (!video.paused && !video.ended) requestAnimationFrame(follow);
    };
    video.addEventListener("play", () => requestAnimationFrame(follow));
    video.addEventListener("ended", () => show(last));
  }
  show(0);
}
