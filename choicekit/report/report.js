(function () {
  "use strict";
  var steps = JSON.parse(document.getElementById("collapse-steps").textContent);
  var slider = document.getElementById("beta");
  function all(selector, change) {
    Array.prototype.forEach.call(document.querySelectorAll(selector), change);
  }
  function show(step) {
    document.getElementById("beta-value").textContent = step.beta;
    document.getElementById("index").textContent = step.index;
    document.getElementById("entropy").textContent = step.entropy;
    slider.setAttribute("aria-valuetext", "β = " + step.beta);
    all("[data-answer]", function (bar) { bar.style.width = step.answers[+bar.dataset.answer][0] + "%"; });
    all("[data-said]", function (cell) { cell.textContent = step.answers[+cell.dataset.said][1]; });
    all("[data-gap]", function (bar) { bar.style.width = step.gaps[+bar.dataset.gap][0] + "%"; });
    all("[data-gap-said]", function (cell) { cell.textContent = step.gaps[+cell.dataset.gapSaid][1]; });
  }
  slider.addEventListener("input", function () { show(steps[+slider.value]); });
  all("#collapse-figure [hidden]", function (part) { part.hidden = false; });
  show(steps[+slider.value]);
  window.addEventListener("beforeprint", function () {
    all("details", function (part) { part.open = true; });
  });
})();
