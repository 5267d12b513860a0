// Terminal colours: the SGR sequences of ECMA-48 become styles, every other escape sequence is dropped. What a
// process prints is hostile, so text only ever reaches the page as text nodes.

const ESCAPES = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\|$)|[PX^_][^\x1b]*(?:\x1b\\|$)|[ -/]*[0-~]|$)/g;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const PLAIN = Object.freeze({});

/** Shows control characters, and those that would reorder the text, as visible signs. */
function visible(text) {
  return text.replace(CONTROLS, (c) => {
    const code = c.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : "\ufffd";
  });
}

/** What a terminal would leave of a line that was overwritten by carriage returns. */
function overwritten(text) {
  const end = text.endsWith("\r") ? text.length - 1 : text.length;
  const from = text.lastIndexOf("\r", end - 1);
  return from < 0 && end === text.length ? text : text.slice(from + 1, end);
}

function plainText(raw) {
  const text = overwritten(raw);
  return visible(text.includes("\x1b") ? text.replace(ESCAPES, "") : text);
}

/** Splits a line into runs of [text, style], beginning in `style`; the last style carries on to the next line. */
function runs(raw, style = PLAIN) {
  const out = [];
  let at = 0;
  const push = (text) => { if (text) out.push([visible(text), style]); };
  for (const found of raw.matchAll(ESCAPES)) {
    push(raw.slice(at, found.index));
    at = found.index + found[0].length;
    if (found[2] === "m") style = sgr(found[1] ?? "", style);
  }
  push(raw.slice(at));
  return { out, style };
}

function sgr(parameters, before) {
  const style = { ...before };
  const codes = parameters.split(";").flatMap(parameter);
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    if (code === 0) for (const key of Object.keys(style)) delete style[key];
    else if (code === 1) style.bold = true;
    else if (code === 2) style.faint = true;
    else if (code === 3) style.ital = true;
    else if (code === 4) style.under = true;
    else if (code === 7) style.inverse = true;
    else if (code === 9) style.strike = true;
    else if (code === 22) { delete style.bold; delete style.faint; }
    else if (code === 23) delete style.ital;
    else if (code === 24) delete style.under;
    else if (code === 27) delete style.inverse;
    else if (code === 29) delete style.strike;
    else if (code >= 30 && code <= 37) style.fg = `var(--a${code - 30})`;
    else if (code >= 90 && code <= 97) style.fg = `var(--a${code - 82})`;
    else if (code >= 40 && code <= 47) style.bg = behind(code - 40);
    else if (code >= 100 && code <= 107) style.bg = behind(code - 92);
    else if (code === 39) delete style.fg;
    else if (code === 49) delete style.bg;
    else if (code === 38 || code === 48) {
      const key = code === 38 ? "fg" : "bg";
      if (codes[i + 1] === 5) { const c = indexed(codes[i + 2]); if (c) style[key] = c; i += 2; }
      else if (codes[i + 1] === 2) {
        const rgb = codes.slice(i + 2, i + 5);
        if (rgb.length === 3 && rgb.every((v) => v >= 0 && v <= 255)) style[key] = `rgb(${rgb.join(" ")})`;
        i += 4;
      }
    }
  }
  return style;
}

/** The numbers of one parameter. With colons it has parts of its own: a colour, or what kind of underline. */
function parameter(text) {
  if (!text.includes(":")) return [text === "" ? 0 : Number(text)];
  const parts = text.split(":").map(Number);
  if (parts[0] === 38 || parts[0] === 48) return [parts[0], parts[1], ...parts.slice(parts[1] === 2 ? -3 : 2)];
  return [parts[0] === 4 && parts[1] === 0 ? 24 : parts[0]];
}

/** A colour of the palette as a background. The palette is made to be read on the page, so its text is read on this, too. */
function behind(n) { return `color-mix(in srgb, var(--a${n}) 30%, var(--bg))`; }

function indexed(n) {
  if (!(n >= 0 && n <= 255)) return null;
  if (n < 16) return `var(--a${n})`;
  if (n >= 232) { const v = 8 + (n - 232) * 10; return `rgb(${v} ${v} ${v})`; }
  const level = (v) => (v ? 55 + v * 40 : 0);
  n -= 16;
  return `rgb(${level(Math.floor(n / 36))} ${level(Math.floor(n / 6) % 6)} ${level(n % 6)})`;
}

/** Appends styled text to `parent`, with the ranges [from, to) of the whole line marked. */
function paint(parent, pieces, marks) {
  let at = 0;
  let next = 0;
  for (const [text, style] of pieces) {
    let target = parent;
    if (style !== PLAIN && Object.keys(style).length) {
      target = parent.appendChild(document.createElement("span"));
      for (const name of ["bold", "faint", "ital", "under", "strike", "lv"]) if (style[name]) target.classList.add(name);
      let { fg, bg } = style;
      if (style.inverse) [fg, bg] = [bg ?? "var(--bg)", fg ?? "var(--text)"];
      if (fg) target.style.color = fg;
      if (bg) target.style.backgroundColor = bg;
    }
    let from = 0;
    while (from < text.length) {
      while (next < marks.length && marks[next][1] <= at + from) next++;
      const mark = marks[next];
      const begin = mark ? Math.min(Math.max(mark[0] - at, from), text.length) : text.length;
      if (begin > from) target.append(text.slice(from, begin));
      if (mark && begin < text.length) {
        const end = Math.min(mark[1] - at, text.length);
        target.appendChild(document.createElement("mark")).textContent = text.slice(begin, end);
        from = end;
      } else {
        from = begin;
      }
    }
    at += text.length;
  }
}
