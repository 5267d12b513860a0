// A list of rows of one height of which only those in sight exist as elements.

const ROW = 20;
const OVERSCAN = 12;

class List {
  /** `rows()` gives the numbers shown, `make(number)` an element for one of them. */
  constructor(box, space, rows, make) {
    Object.assign(this, { box, space, rows, make, live: new Map(), following: true, queued: false });
    box.addEventListener("scroll", () => {
      // Scrolling up by hand stops following; reaching the end resumes it.
      this.following = this.atEnd();
      this.draw();
      this.moved?.();
    }, { passive: true });
    new ResizeObserver(() => this.update()).observe(box);
  }

  atEnd() { return this.box.scrollTop + this.box.clientHeight >= this.box.scrollHeight - ROW; }

  /** The rows have changed; `gone` of them went at the top. All elements are made anew if `fresh`. */
  update(gone = 0, fresh = false) {
    if (fresh) this.forget();
    if (gone) this.removed = (this.removed ?? 0) + gone;
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      const height = this.rows().length * ROW;
      this.space.style.height = `${height}px`;
      if (this.following) this.box.scrollTop = height;
      else if (this.removed) this.box.scrollTop -= this.removed * ROW;
      this.removed = 0;
      this.draw();
    });
  }

  /** A row has changed. */
  redo(number) {
    this.live.get(number)?.remove();
    this.live.delete(number);
  }

  forget() {
    for (const row of this.live.values()) row.remove();
    this.live.clear();
  }

  draw() {
    const rows = this.rows();
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - OVERSCAN);
    const last = Math.min(rows.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + OVERSCAN);
    const keep = new Set();
    const fresh = document.createDocumentFragment();
    for (let i = first; i < last; i++) {
      const number = rows[i];
      keep.add(number);
      let row = this.live.get(number);
      if (!row) {
        row = this.make(number);
        this.live.set(number, row);
        fresh.append(row);
      }
      const top = `${i * ROW}px`;
      if (row.style.top !== top) row.style.top = top;
    }
    // Rows that stay keep their elements, and with them a text selection.
    for (const [number, row] of this.live) {
      if (!keep.has(number)) { row.remove(); this.live.delete(number); }
    }
    this.space.append(fresh);
  }

  /** Brings the row at a position into sight, in the middle if it was not. */
  reveal(position) {
    const top = position * ROW;
    const { scrollTop, clientHeight } = this.box;
    if (top < scrollTop || top + ROW > scrollTop + clientHeight) {
      this.box.scrollTop = Math.max(0, top - clientHeight / 2);
    }
    // Who picks a row wants to keep seeing it.
    this.following = false;
    this.draw();
    this.moved?.();
  }

  toBeginning() {
    // Before the event of the scrolling: output that arrives meanwhile would scroll back.
    this.following = false;
    this.box.scrollTop = 0;
  }

  toEnd() {
    this.following = true;
    this.update();
  }
}
