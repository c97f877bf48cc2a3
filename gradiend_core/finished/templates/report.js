"use strict";
// a tip for each point that has one
const tip = document.getElementById("tip");
document.querySelectorAll("[data-tip]").forEach((point) => {
  point.addEventListener("pointerenter", (event) => {
    tip.textContent = point.dataset.tip;
    tip.style.display = "block";
    tip.style.left = Math.min(event.clientX + 12, innerWidth - 350) + "px";
    tip.style.top = event.clientY + 14 + "px";
  });
  point.addEventListener("pointerleave", () => { tip.style.display = "none"; });
});
// the slider of each goal: numbers, the marker in the chart, and the texts
document.querySelectorAll(".strength").forEach((box) => {
  const points = JSON.parse(box.querySelector("script").textContent);
  const slider = box.querySelector("input"), said = box.querySelector("output"), marker = box.querySelector(".marker");
  const cells = box.querySelectorAll("[data-made]");
  const show = () => {
    const point = points[slider.value];
    const lms = point.lms === null ? "not measured" : point.lms.toFixed(3);
    const text = `strength ${point.strength}: ${point.value.toFixed(3)}, language modelling ${lms}`;
    said.textContent = text;
    slider.setAttribute("aria-valuetext", text);
    marker.setAttribute("transform", `translate(${point.x} 0)`);
    cells.forEach((cell, row) => { cell.textContent = point.samples[row] ? point.samples[row].made : ""; });
  };
  slider.addEventListener("input", show);
  show();
});
