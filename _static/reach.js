// What scrolls in its own box can be reached by the keyboard; what does not is no stop on the way.
(() => {
  "use strict";
  const BOXES = "article pre, article .output, article .table-wrapper, article div.math";
  const mark = () => {
    for (const box of document.querySelectorAll(BOXES)) {
      const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
      if (scrolls) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  addEventListener("load", mark);
  addEventListener("resize", mark);
  document.addEventListener("toggle", mark, true);
})();
