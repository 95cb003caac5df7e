// A small box with the meaning of a term, or the formula behind an equation's number, while the pointer
// or the keyboard is on the link. Without scripts the link leads to the same place.
(() => {
  "use strict";
  const LINKS = 'a[data-hint], a.reference[href^="#equation-"]';
  const DELAY = 250; // milliseconds: who only passes over a link sees nothing
  const box = Object.assign(document.createElement("div"), { className: "hint", id: "hint", hidden: true });
  box.setAttribute("role", "tooltip");
  document.body.append(box);
  let shown = null, waiting = 0;

  const content = (link) => {
    if (link.dataset.hint) return [document.createTextNode(link.dataset.hint)];
    const formula = document.getElementById(link.hash.slice(1))?.querySelector("math");
    return formula ? [formula.cloneNode(true)] : [];
  };
  const hide = () => {
    clearTimeout(waiting);
    box.hidden = true;
    shown?.removeAttribute("aria-describedby");
    shown = null;
  };
  const show = (link) => {
    const parts = content(link);
    if (!parts.length) return;
    hide();
    box.replaceChildren(...parts);
    box.hidden = false;
    const at = link.getBoundingClientRect(), size = box.getBoundingClientRect();
    const above = at.top > size.height + 8;
    box.style.left = `${scrollX + Math.max(8, Math.min(at.left, document.documentElement.clientWidth - size.width - 8))}px`;
    box.style.top = `${scrollY + (above ? at.top - size.height - 6 : at.bottom + 6)}px`;
    link.setAttribute("aria-describedby", "hint");
    shown = link;
  };
  const later = (event) => {
    const link = event.target.closest?.(LINKS);
    clearTimeout(waiting);
    if (link) waiting = setTimeout(show, DELAY, link);
  };
  document.addEventListener("pointerover", (event) => event.pointerType === "mouse" && later(event));
  document.addEventListener("pointerout", (event) => event.target.closest?.(LINKS) && hide());
  document.addEventListener("focusin", later);
  document.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
})();
