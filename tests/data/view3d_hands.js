// Works the controls and gestures of the 3-D view; its value is what the pictures became.
(async () => {
  const seen = { pictures: {} };
  const root = document.getElementById("view3d"), canvas = root.querySelector("canvas");
  const small = Object.assign(document.createElement("canvas"), { width: 200, height: 200 }).getContext("2d");
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const input = (group, value) => root.querySelector(`input[name="view3d-${group}"][value="${value}"]`);
  const button = (action) => root.querySelector(`[data-action="${action}"]`).click();
  const pointer = (kind, x, y, pointerId = 1) =>
    canvas.dispatchEvent(new PointerEvent(kind, { pointerId, clientX: x, clientY: y, bubbles: true, cancelable: true }));
  const key = (name) => canvas.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
  const wheel = () => canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: -200, bubbles: true, cancelable: true }));

  async function note(name) {
    await frame();
    small.drawImage(canvas, 0, 0, 200, 200);
    let hash = 5381;
    for (const byte of small.getImageData(0, 0, 200, 200).data) hash = (hash * 33 + byte) % 4294967291;
    seen.pictures[name] = hash;
  }

  async function backAfter(name, act) {
    act();
    await note(name);
    button("reset");
    await frame();
  }

  function drag() {
    pointer("pointerdown", 200, 200);
    pointer("pointermove", 230, 210);
    pointer("pointermove", 280, 230);
    pointer("pointerup", 280, 230);
  }

  function pinch() {
    pointer("pointerdown", 200, 250, 1);
    pointer("pointerdown", 240, 250, 2);
    pointer("pointermove", 280, 250, 2);
    pointer("pointerup", 280, 250, 2);
    pointer("pointerup", 200, 250, 1);
  }

  function doubleTap() {
    for (let tap = 0; tap < 2; tap++) {
      pointer("pointerdown", 200, 200);
      pointer("pointerup", 200, 200);
    }
  }

  async function toggled(name, ...inputs) {
    for (const one of inputs) one.click();
    await note(name);
    for (const one of inputs) if (one.type === "checkbox") one.click();
    if (inputs[0].type === "radio") input("rings", "").click();
    await frame();
  }

  canvas.style.height = "200px"; // a small picture is drawn sooner
  await frame();
  await note("start");
  await note("still");
  wheel();
  await note("wheel past");
  await backAfter("drag", drag);
  await note("reset");
  await backAfter("arrow", () => key("ArrowLeft"));
  canvas.focus();
  await backAfter("wheel", wheel);
  await backAfter("pinch", pinch);
  await backAfter("plus", () => key("+"));
  key("ArrowUp");
  key("-");
  await frame();
  doubleTap();
  await note("double tap");
  key("ArrowUp");
  key("0");
  await note("zero");
  await toggled("lithium", input("atoms", "Li"));
  await toggled("oxygen", input("atoms", "O"));
  await toggled("bonds", input("lines", "bonds"));
  await toggled("cell", input("lines", "cell"));
  await toggled("polyhedra", ...root.querySelectorAll('input[name="view3d-polyhedra"]'));
  const elements = [...root.querySelectorAll('input[name="view3d-atoms"]')];
  await toggled("no atoms", ...elements);
  await toggled("no atoms, no bonds", ...elements, input("lines", "bonds"));
  await toggled("rings", input("rings", "0"));
  await note("all back");
  button("spin");
  await frame();
  await note("spin 1");
  await frame();
  await note("spin 2");
  button("spin");
  seen.width = document.documentElement.scrollWidth;
  seen.painter = root.dataset.painter;
  return seen;
})();
