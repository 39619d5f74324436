// Elements without markup from text: what people typed into a list can never become part of the page.

const SVG = "http://www.w3.org/2000/svg";

/** An element. Properties: attributes, `class`, `text`, `vars` (CSS variables), `onclick` and the like; null leaves one out. Children may be lists of lists. */
export function h(tag, properties, ...children) {
  const element = tag === "svg" || tag === "path" ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else if (name === "vars") for (const [key, one] of Object.entries(value)) element.style.setProperty(`--${key}`, one);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Set a text, and touch the page only when it is another. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set an attribute, and touch the page only when it is another; null takes it away. */
export function mark(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** Children by key: what is there stays the same element, so that focus and scroll position stay too. */
export class Keyed {
  constructor(parent, make, update) {
    this.parent = parent;
    this.make = make;
    this.update = update;
    this.known = new Map();
  }

  show(rows, keyOf) {
    const wanted = new Map(rows.map((row) => [keyOf(row), row]));
    for (const [key, entry] of this.known) {
      if (!wanted.has(key)) {
        entry.element.remove();
        this.known.delete(key);
      }
    }
    let before = null;
    for (const [key, row] of wanted) {
      let entry = this.known.get(key);
      if (entry === undefined) {
        entry = this.make(row);
        this.known.set(key, entry);
      }
      this.update(entry, row);
      const place = before === null ? this.parent.firstElementChild : before.nextElementSibling;
      if (entry.element !== place) this.parent.insertBefore(entry.element, place);
      before = entry.element;
    }
  }
}
