"use strict";
// Draws every chart from the JSON beside it. Formatters travel as "fn:NAME".
(() => {
  const si = (unit) => (v) => {
    if (v === null || v === undefined || v === "-" || Number.isNaN(Number(v))) return "–";
    v = Number(v);
    const p = ["", "k", "M", "G", "T", "P"];
    let i = 0;
    while (Math.abs(v) >= 1000 && i < p.length - 1) { v /= 1000; i++; }
    return `${v.toFixed(i === 0 || Math.abs(v) >= 100 ? 0 : 1)} ${p[i]}${unit}`;
  };
  const formatters = {
    bytes: si("B"),
    bytesPerSecond: si("B/s"),
    percent: (v) => `${(100 * Number(v)).toFixed(1)} %`,
    number: (v) => Number(v).toLocaleString("en", { maximumFractionDigits: 3 }),
    seconds: (v) => `${Number(v).toFixed(Number(v) < 10 ? 2 : 0)} s`,
  };
  const revive = (key, value) =>
    typeof value === "string" && value.startsWith("fn:") && formatters[value.slice(3)] ? formatters[value.slice(3)] : value;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const boxes = [...document.querySelectorAll(".chart")];
  // The reason of the marked point nearest to a click. A click is asked for by
  // place: under the pointer is mostly the axis' own marker.
  const tell = (chart, where, x, y) => {
    let near = 16;
    chart.getOption().series.forEach((series, seriesIndex) => {
      for (const point of series.markPoint?.data ?? []) {
        if (!point.reason) continue;
        const [px, py] = chart.convertToPixel({ seriesIndex }, point.coord);
        const far = Math.hypot(px - x, py - y);
        if (far < near) {
          near = far;
          where.textContent = point.reason;
        }
      }
    });
  };
  const draw = () => {
    for (const box of boxes) {
      const option = JSON.parse(box.parentElement.querySelector(".option").textContent, revive);
      echarts.getInstanceByDom(box)?.dispose();
      const chart = echarts.init(box, dark.matches ? "dark" : null, { renderer: "canvas" });
      chart.setOption({ backgroundColor: "transparent", animation: !still.matches, aria: { enabled: true }, ...option });
      chart.getZr().on("click", (e) => tell(chart, box.parentElement.querySelector(".reason"), e.offsetX, e.offsetY));
    }
  };
  draw();
  document.body.dataset.ready = "yes";
  dark.addEventListener("change", draw);
  addEventListener("resize", () => boxes.forEach((b) => echarts.getInstanceByDom(b)?.resize()));
})();
