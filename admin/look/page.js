// Keys and error messages come from outside: put them on the page as text only, never as HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const records = data.records;
const madeUp = data.pricesAreReal ? "" : " (made-up price)";
const $ = (id) => document.getElementById(id);

function element(name, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children.filter(Boolean));
  return made;
}

// ---- what is said about an image ----------------------------------------------------------------

const failed = (record) => record.outcome !== "processed";
const odd = (record) => record.check.length > 0;
const nameOf = (record) => record.result ?? record.source;
const price = (record) => Number((record.test ? record.calculated : record.credits) ?? 0);
const size = (pair) => `${pair[0].toLocaleString("en")} × ${pair[1].toLocaleString("en")}`;
// S3's times are whole seconds.
const seconds = (value) => value === 0 ? "< 1 s" : Number.isInteger(value) && value < 600 ? `${value} s` : value < 600 ? `${value.toFixed(1)} s` : `${Math.round(value / 60).toLocaleString("en")} min`;
const percent = (part) => `${(part * 100).toFixed(part < 0.095 ? 1 : 0)}\u00a0%`;
const decimal = (number) => String(Number(number.toFixed(4)));
const OUTCOMES = { rejected: "rejected", "given up": "given up", missing: "nothing came back" };

// The end of a key tells more than its middle.
const shortened = (key) => key.length <= 52 ? key : `${key.slice(0, 16)}…${key.slice(-34)}`;

function creditsOf(record) {
  if (record.test) return `0, in test mode${record.calculated ? `; would cost ${record.calculated}${madeUp}` : ""}`;
  return record.credits === null ? null : `${record.credits}${madeUp}`;
}

function badges(record) {
  return element("div", { className: "badges" },
    failed(record) && element("span", { className: "badge bad", text: OUTCOMES[record.outcome] }),
    ...record.check.map((sign) => element("span", { className: "badge odd", text: sign })),
    record.test && element("span", { className: "badge", text: "test" }));
}

function shortFacts(record) {
  return [
    record.result_size && size(record.result_size),
    !failed(record) && !record.test && record.credits && `${record.credits} credits${madeUp}`,
    record.seconds !== null && seconds(record.seconds),
    record.share !== null && `box ${percent(record.share)}`,
  ].filter(Boolean).join(" · ");
}

function facts(record) {
  const said = [];
  if (failed(record)) {
    said.push(element("p", { className: "say bad", text: [record.error, record.what_now].filter(Boolean).join("\n\n") }));
  }
  if (odd(record)) {
    said.push(element("p", { className: "say odd", text: `Look closer: ${record.check.join("; ")}.` }));
  }
  const original = record.source_size ?? (record.before?.preview ? null : record.before?.size);
  const rows = [
    ["Original", record.source || null],
    ["Result", record.result],
    ["Error report", record.report],
    ["Prefix", record.prefix || "(defaults)"],
    ["Finished", record.finished && new Date(record.finished).toLocaleString()],
    ["Since upload", record.seconds !== null && seconds(record.seconds)],
    ["At Pixian", record.pixian_seconds !== null && seconds(record.pixian_seconds)],
    ["Credits", failed(record) ? null : creditsOf(record)],
    ["Check", record.checked && !odd(record) && "no signs of trouble"],
    ["Pixian's answer", record.status && `HTTP ${record.status}`],
    ["Size uploaded", original && size(original)],
    ["Sent as", record.converted],
    ["Size sent", !record.converted && record.input_size && String(record.input_size) !== String(original) && size(record.input_size)],
    ["Size of the result", record.result_size && size(record.result_size)],
    ["Foreground's box", record.share !== null && `${percent(record.share)} of the result`],
    ["Preview", record.before?.preview && `Browsers can't show ${record.before.preview}, so this is a copy in another format.`],
    ["Original not shown", !failed(record) && record.before_missing],
    ["Result not shown", record.after_missing],
  ].filter(([, value]) => value);
  const parameters = Object.entries(record.parameters ?? {});
  return [...said, list(rows), ...parameters.length ? [element("h3", { text: "Parameters" }), list(parameters)] : []];
}

function list(rows) {
  const made = element("dl");
  for (const [name, value] of rows) made.append(element("dt", { text: name }), element("dd", { text: value }));
  return made;
}

// ---- pictures -----------------------------------------------------------------------------------

function box(rectangle, [width, height]) {
  const made = element("div", { className: "box" });
  const [top, left, w, h] = rectangle;
  Object.assign(made.style, {
    top: `${top / height * 100}%`, left: `${left / width * 100}%`,
    width: `${w / width * 100}%`, height: `${h / height * 100}%`,
  });
  return made;
}

function picture(record, side, url, className = "") {
  const [rectangle, within] = side === "after"
    ? [record.result_box, record.result_size] : [record.source_box, record.input_size];
  const alt = side === "after" ? "result" : "original";
  const shown = element("div", { className: `picture ${className} ${side === "after" ? "ground" : ""}` },
    element("img", { src: url, alt, loading: "lazy", draggable: false }),
    rectangle && within && box(rectangle, within));
  const [width, height] = record[side].size;
  shown.style.setProperty("--ratio", width / height);
  return shown;
}

function card(record, index) {
  const frame = element("div", { className: "frame" });
  if (record.after) {
    frame.append(picture(record, "after", record.after.thumbnail, record.before ? "swaps" : ""));
    if (record.before) frame.append(picture(record, "before", record.before.thumbnail, "hover"));
  } else if (record.before) {
    frame.append(picture(record, "before", record.before.thumbnail));
  } else {
    frame.append(element("span", { className: "none", text: failed(record) ? "no picture" : record.after_missing }));
  }
  const made = element("button", { type: "button", className: "card" },
    frame,
    element("div", { className: "text" },
      element("b", { text: shortened(nameOf(record)), title: nameOf(record) }),
      record.result && record.source && record.source !== record.result
        && element("small", { className: "from", text: `from ${shortened(record.source)}`, title: record.source }),
      badges(record),
      failed(record) && element("span", { className: "why", text: record.error }),
      element("small", { text: shortFacts(record) })));
  made.classList.toggle("failed", failed(record));
  made.classList.toggle("odd", odd(record));
  made.addEventListener("click", () => open(index));
  return made;
}

// ---- which images, in which order ---------------------------------------------------------------

const WHICH = {
  all: ["All", () => true],
  good: ["Cut out", (record) => !failed(record)],
  odd: ["Look closer", odd],
  failed: ["No result", failed],
};
const largest = (value) => (a, b) => (value(b) ?? -1) - (value(a) ?? -1);
const newest = (a, b) => (b.finished ?? "").localeCompare(a.finished ?? "");
const ORDERS = {
  trouble: largest((record) => failed(record) ? 1 : odd(record) ? 2 : 0),
  finished: newest,
  credits: largest(price),
  seconds: largest((record) => record.seconds),
  small: (a, b) => (a.share ?? 2) - (b.share ?? 2),
  large: largest((record) => record.share),
  name: (a, b) => nameOf(a).localeCompare(nameOf(b)),
};
let which = "all";
let chosen = [];

function update() {
  const [prefix, text] = [$("prefix").value, $("find").value.trim().toLowerCase()];
  const matching = records.filter((record) => (prefix === "*" || record.prefix === prefix)
    && [record.source, record.result ?? ""].some((key) => key.toLowerCase().includes(text)));
  for (const button of $("outcomes").children) {
    const [label, matches] = WHICH[button.value];
    button.textContent = `${label} ${matching.filter(matches).length}`;
    button.ariaPressed = String(button.value === which);
  }
  const order = ORDERS[$("sort").value];
  chosen = matching.filter(WHICH[which][1]).sort((a, b) => order(a, b) || newest(a, b));
  $("grid").replaceChildren(...chosen.map(card));
  $("empty").hidden = chosen.length > 0;
  totals();
}

function totals() {
  const times = chosen.map((record) => record.seconds).filter((value) => value !== null).sort((a, b) => a - b);
  const sum = (values) => decimal(values.reduce((total, value) => total + Number(value ?? 0), 0));
  const tests = chosen.filter((record) => record.test);
  const rows = [
    ["images", chosen.length],
    ["without a result", chosen.filter(failed).length],
    chosen.some(odd) && ["to look at closer", chosen.filter(odd).length],
    [`credits charged${madeUp}`, sum(chosen.map((record) => record.credits))],
    tests.length > 0 && [`credits without test mode${madeUp}`, sum(tests.map((record) => record.calculated))],
    times.length > 0 && ["from upload to result (median)", seconds(times[Math.floor(times.length / 2)])],
  ].filter(Boolean);
  $("totals").replaceChildren(...rows.map(([name, value]) =>
    element("div", {}, element("dt", { text: name }), element("dd", { text: value }))));
}

function choices() {
  for (const value of Object.keys(WHICH)) {
    const button = element("button", { type: "button", value });
    button.addEventListener("click", () => { which = value; update(); });
    $("outcomes").append(button);
  }
  const prefixes = [...new Set(records.map((record) => record.prefix))].sort();
  $("prefix").append(element("option", { value: "*", text: "All" }),
    ...prefixes.map((prefix) => element("option", { value: prefix, text: prefix || "(defaults)" })));
  $("prefixes").hidden = prefixes.length < 2;
  for (const id of ["prefix", "sort", "find"]) $(id).addEventListener("input", update);
  $("tools").addEventListener("submit", (event) => event.preventDefault());
  $("boxes").addEventListener("input", () => showBoxes($("boxes").checked));
  $("reset").addEventListener("click", () => {
    [which, $("prefix").value, $("find").value] = ["all", "*", ""];
    update();
  });
  for (const group of document.querySelectorAll(".grounds")) grounds(group);
  ground("");
}

function showBoxes(on) {
  $("boxes").checked = on;
  document.body.classList.toggle("boxes", on);
}

const GROUNDS = { Chequerboard: "", White: "#ffffff", Grey: "#808080", Black: "#000000" };

function grounds(group) {
  for (const [name, color] of Object.entries(GROUNDS)) {
    const button = element("button", { type: "button", title: `${name} background`, value: color });
    button.ariaLabel = button.title;
    button.style.background = color || "var(--chequers)";
    button.addEventListener("click", () => ground(color));
    group.append(button);
  }
  const any = element("input", { type: "color", title: "Any background", value: "#2e7d32" });
  any.ariaLabel = any.title;
  any.addEventListener("input", () => ground(any.value));
  group.append(any);
}

function ground(color) {
  document.body.style.setProperty("--ground", color || "var(--chequers)");
  for (const button of document.querySelectorAll(".grounds button")) {
    button.ariaPressed = String(button.value === color);
  }
}

// ---- one image ----------------------------------------------------------------------------------

// The view shows a plane whose unit is a pixel of the original. `x` and `y` are where its origin
// is in the view, and `scale` is how large its unit is. `split` is the part of the view to the
// left of the handle, which shows the original.
const view = { index: 0, x: 0, y: 0, scale: 1, split: 0.5, plane: null, fitting: true };
const MOST_ZOOM = 40;

function planeOf(record) {
  const original = record.before?.size ?? record.input_size ?? record.after?.size ?? [1, 1];
  const [width, height] = original;
  const before = { left: 0, top: 0, width, height };
  let after = null;
  if (record.after) {
    if (record.place && (record.before || record.input_size)) {
      const { left, top, width: w, height: h } = record.place;
      after = { left: left * width, top: top * height, width: w * width, height: h * height };
    } else {
      // Where it belongs isn't known: as large as the original allows, in the middle.
      const [w, h] = record.after.size;
      const scale = Math.min(width / w, height / h);
      after = { left: (width - w * scale) / 2, top: (height - h * scale) / 2, width: w * scale, height: h * scale };
    }
  }
  const all = [record.before && before, after].filter(Boolean);
  if (!all.length) all.push(before);
  const left = Math.min(...all.map((each) => each.left));
  const top = Math.min(...all.map((each) => each.top));
  const whole = {
    left, top,
    width: Math.max(...all.map((each) => each.left + each.width)) - left,
    height: Math.max(...all.map((each) => each.top + each.height)) - top,
  };
  const pixel = after ? record.after.size[0] / after.width : 1;
  return { before, after, whole, pixel };
}

function open(index) {
  view.index = index;
  const record = chosen[index];
  view.plane = planeOf(record);
  if (!$("viewer").open) {
    $("viewer").showModal();
    $("viewer").focus();
  }
  $("name").textContent = nameOf(record);
  $("name").title = nameOf(record);
  $("position").textContent = `${index + 1} of ${chosen.length}`;
  $("facts").replaceChildren(...facts(record));
  $("facts").scrollTop = 0;
  for (const side of ["before", "after"]) {
    const none = element("span", { className: "none", text: record[`${side}_missing`] });
    $(side).replaceChildren(record[side] ? picture(record, side, record[side].full) : none);
  }
  const both = Boolean(record.before && record.after);
  if (!both) view.split = record.after ? 0 : 1;
  else if (view.split === 0 || view.split === 1) view.split = 0.5;
  for (const id of ["handle", "label-before", "label-after"]) $(id).hidden = !both;
  $("flip").disabled = !both;
  $("zooms").hidden = !record.before && !record.after;
  fit();
}

function move(step) {
  open((view.index + step + chosen.length) % chosen.length);
}

function fitScale() {
  const { whole } = view.plane;
  return Math.min($("view").clientWidth / whole.width, $("view").clientHeight / whole.height);
}

/** Whether the picture is larger than the view, so that it can be moved. */
const isLarger = () => view.scale > fitScale() * 1.001;

function fit() {
  const { whole } = view.plane;
  view.scale = fitScale();
  view.x = ($("view").clientWidth - whole.width * view.scale) / 2 - whole.left * view.scale;
  view.y = ($("view").clientHeight - whole.height * view.scale) / 2 - whole.top * view.scale;
  view.fitting = true;
  draw();
}

/** Zoom so that what is at a point of the view stays there. */
function zoomTo(scale, x = $("view").clientWidth / 2, y = $("view").clientHeight / 2) {
  const [whole, pixel] = [fitScale(), view.plane.pixel];
  const wanted = Math.min(Math.max(scale, Math.min(whole, pixel)), Math.max(MOST_ZOOM * pixel, whole));
  if (wanted === whole) return fit();
  const factor = wanted / view.scale;
  view.x = x - (x - view.x) * factor;
  view.y = y - (y - view.y) * factor;
  view.scale = wanted;
  view.fitting = false;
  draw();
}

/** Keep the picture in the view: centred where it is smaller, without gaps where it is larger. */
function held(position, from, length, room) {
  const [start, long] = [from * view.scale, length * view.scale];
  if (long <= room) return (room - long) / 2 - start;
  return Math.min(-start, Math.max(room - long - start, position));
}

function draw() {
  const { plane } = view;
  const [width, height] = [$("view").clientWidth, $("view").clientHeight];
  view.x = held(view.x, plane.whole.left, plane.whole.width, width);
  view.y = held(view.y, plane.whole.top, plane.whole.height, height);
  for (const side of ["before", "after"]) {
    const [shown, place] = [$(side).querySelector(".picture"), plane[side]];
    if (!shown || !place) continue;
    Object.assign(shown.style, {
      left: `${view.x + place.left * view.scale}px`, top: `${view.y + place.top * view.scale}px`,
      width: `${place.width * view.scale}px`, height: `${place.height * view.scale}px`,
    });
  }
  const split = view.split * width;
  $("before").style.clipPath = `inset(0 ${width - split}px 0 0)`;
  $("after").style.clipPath = `inset(0 0 0 ${split}px)`;
  $("handle").style.left = `${Math.min(width - 2, Math.max(2, split))}px`;
  $("handle").setAttribute("aria-valuenow", Math.round(view.split * 100));
  $("label-before").style.opacity = view.split > 0.12 ? 1 : 0;
  $("label-after").style.opacity = view.split < 0.88 ? 1 : 0;
  const zoom = view.scale / plane.pixel;
  $("view").classList.toggle("sharp", zoom >= 3);
  $("view").classList.toggle("zoomed", isLarger());
  $("zoom").textContent = `${zoom < 0.1 ? (zoom * 100).toFixed(1) : Math.round(zoom * 100)}\u00a0%`;
}

function flip() {
  if ($("handle").hidden) return;
  view.split = view.split === 0 ? 1 : 0;
  draw();
}

// One finger or the mouse moves the handle, or the picture if it is zoomed; two fingers zoom.
const fingers = new Map();

function grab(event) {
  if (event.button !== 0) return;
  event.preventDefault();
  $("view").setPointerCapture(event.pointerId);
  const slides = !$("handle").hidden && (!isLarger() || event.target === $("handle"));
  fingers.set(event.pointerId, { x: event.clientX, y: event.clientY, slides });
  if (slides && fingers.size === 1) slide(event);
}

function slide(event) {
  const { left, width } = $("view").getBoundingClientRect();
  view.split = Math.min(1, Math.max(0, (event.clientX - left) / width));
  draw();
}

function drag(event) {
  const finger = fingers.get(event.pointerId);
  if (!finger) return;
  const others = [...fingers].filter(([id]) => id !== event.pointerId).map(([, other]) => other);
  if (others.length === 1) pinch(finger, event, others[0]);
  else if (finger.slides) slide(event);
  else {
    view.x += event.clientX - finger.x;
    view.y += event.clientY - finger.y;
    draw();
  }
  [finger.x, finger.y] = [event.clientX, event.clientY];
}

function pinch(finger, event, other) {
  const distance = (one) => Math.hypot((one.clientX ?? one.x) - other.x, (one.clientY ?? one.y) - other.y);
  const { left, top } = $("view").getBoundingClientRect();
  const factor = distance(event) / Math.max(1, distance(finger));
  zoomTo(view.scale * factor, (event.clientX + other.x) / 2 - left, (event.clientY + other.y) / 2 - top);
}

function release(event) {
  fingers.delete(event.pointerId);
}

function press(event) {
  if (!$("viewer").open || event.ctrlKey || event.metaKey || event.altKey) return;
  const onHandle = event.target === $("handle") && $("handle").matches(":focus-visible") && event.shiftKey;
  const does = {
    ArrowLeft: () => onHandle ? step(-0.02) : move(-1),
    ArrowRight: () => onHandle ? step(0.02) : move(1),
    " ": flip,
    "+": () => zoomTo(view.scale * 1.5),
    "=": () => zoomTo(view.scale * 1.5),
    "-": () => zoomTo(view.scale / 1.5),
    0: fit,
    1: () => zoomTo(view.plane.pixel),
    b: () => showBoxes(!$("boxes").checked),
  }[event.key];
  // In a field for a colour, arrows and space belong to the field.
  if (!does || event.target.matches("input")) return;
  event.preventDefault();
  does();
}

function step(by) {
  view.split = Math.min(1, Math.max(0, view.split + by));
  draw();
}

function controls() {
  $("close").addEventListener("click", () => $("viewer").close());
  $("viewer").addEventListener("close", () => $("grid").children[view.index]?.focus());
  $("previous").addEventListener("click", () => move(-1));
  $("next").addEventListener("click", () => move(1));
  $("in").addEventListener("click", () => zoomTo(view.scale * 1.5));
  $("out").addEventListener("click", () => zoomTo(view.scale / 1.5));
  $("fit").addEventListener("click", fit);
  $("pixels").addEventListener("click", () => zoomTo(view.plane.pixel));
  $("flip").addEventListener("click", flip);
  $("view").addEventListener("pointerdown", grab);
  $("view").addEventListener("pointermove", drag);
  for (const end of ["pointerup", "pointercancel"]) $("view").addEventListener(end, release);
  $("view").addEventListener("wheel", (event) => {
    event.preventDefault();
    const { left, top } = $("view").getBoundingClientRect();
    zoomTo(view.scale * Math.exp(-event.deltaY / 400), event.clientX - left, event.clientY - top);
  }, { passive: false });
  document.addEventListener("keydown", press);
  new ResizeObserver(() => {
    if ($("viewer").open) view.fitting ? fit() : draw();
  }).observe($("view"));
}

document.title = data.title;
$("title").textContent = data.title;
$("about").textContent = `Made on ${new Date(data.made).toLocaleString()}.${data.pricesAreReal ? "" :
  " The results are the fake Pixian's: its prices are made up, and its cutouts are not Pixian's."}`;
choices();
controls();
update();
