// Draws the scene of view3d.py: spheres and sticks as shaded quads, faces as sorted translucent triangles.
// Orthographic: x to the right, y up, z towards the eye; lengths in A; `turn` is a 3 x 3 rotation, row by row.
"use strict";
(() => {
  const root = document.getElementById("view3d");
  const scene = unpack(JSON.parse(document.getElementById("view3d-data").textContent));
  const START = product(about(0, 0.35), about(1, -0.5));
  const WHITE = [1, 1, 1], GREY = [0.45, 0.48, 0.52];
  const view = { turn: START, zoom: 1 };
  let canvas = root.querySelector("canvas");
  let painter = null, model = null, wanted = false, spinning = 0;

  // ---- the scene ----------------------------------------------------------------------------------------------

  function numbers(text) {
    const [kind, code] = text.split(":");
    const bytes = Uint8Array.from(atob(code), (c) => c.charCodeAt(0));
    const types = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i2: Int16Array };
    return new types[kind](bytes.buffer);
  }

  function unpack(data) {
    const positions = Float32Array.from(numbers(data.positions), (n) => n * data.step);
    const corner = (s) => [0, 1, 2].map((a) => s.reduce((sum, x, k) => sum + (x - 0.5) * data.cell[k][a], 0));
    const corners = [...Array(8).keys()].map((k) => corner([k & 1, (k >> 1) & 1, k >> 2]));
    return {
      ...data,
      positions,
      species: numbers(data.species),
      bonds: numbers(data.bonds),
      polyhedra: data.polyhedra.map((p) => ({ ...p, faces: numbers(p.faces) })),
      rings: data.rings.map((r) => ({ ...r, loops: numbers(r.loops) })),
      corners,
      radius: Math.max(...corners.map((c) => Math.hypot(...c))),
    };
  }

  const point = (m) => scene.positions.subarray(3 * m, 3 * m + 3);
  const element = (m) => scene.elements[scene.species[m]];
  const mix = (a, b, t) => a.map((x, k) => x + t * (b[k] - x));

  function chosen() {
    const values = (group) =>
      new Set([...root.querySelectorAll(`input[name="view3d-${group}"]:checked`)].map((input) => input.value));
    return { atoms: values("atoms"), lines: values("lines"), polyhedra: values("polyhedra"), rings: values("rings") };
  }

  /** Balls [x y z r, r g b], sticks [a, radius, b, colour a, colour b] and triangles [a, b, c, r g b alpha]. */
  function build() {
    const show = chosen(), balls = [], sticks = [], triangles = [];
    const stick = (a, b, radius, colorA, colorB) => sticks.push(...a, radius, ...b, ...colorA, ...(colorB || colorA));
    const seen = (m) => show.atoms.has(element(m).name);
    const ends = new Set();
    for (let p = 0; p < scene.bonds.length; p += 2) {
      const [m, n] = [scene.bonds[p], scene.bonds[p + 1]];
      if (!seen(m)) continue;
      if (n >= scene.shown) ends.add(n);
      const modifier = element(m).name === "Li";
      if (show.lines.has("bonds")) stick(point(m), point(n), modifier ? 0.05 : 0.12, element(m).color, element(n).color);
    }
    const inCell = [...Array(scene.shown).keys()];
    for (const m of [...inCell, ...ends]) {
      if (seen(m)) balls.push(...point(m), element(m).radius, ...element(m).color);
    }
    if (show.lines.has("cell")) {
      for (let k = 0; k < 8; k++) {
        for (const bit of [1, 2, 4]) if (!(k & bit)) stick(scene.corners[k], scene.corners[k | bit], 0.06, GREY);
      }
    }
    scene.polyhedra.forEach((kind, k) => {
      if (show.polyhedra.has(String(k))) addPolyhedra(kind, stick, triangles);
    });
    scene.rings.forEach((kind, k) => {
      if (show.rings.has(String(k))) addRings(kind, stick, triangles);
    });
    return {
      balls: Float32Array.from(balls),
      sticks: Float32Array.from(sticks),
      triangles: Float32Array.from(triangles),
    };
  }

  function addPolyhedra(kind, stick, triangles) {
    const edges = new Set(), count = scene.species.length, dark = mix(kind.color, [0, 0, 0], 0.35);
    for (let f = 0; f < kind.faces.length; f += 3) {
      const face = kind.faces.subarray(f, f + 3);
      for (const m of face) triangles.push(...point(m));
      triangles.push(...kind.color, 0.55);
      for (let k = 0; k < 3; k++) {
        const [low, high] = [face[k], face[(k + 1) % 3]].sort((a, b) => a - b);
        edges.add(low * count + high);
      }
    }
    for (const edge of edges) stick(point(Math.floor(edge / count)), point(edge % count), 0.035, dark);
  }

  function addRings(kind, stick, triangles) {
    const n = kind.corners;
    for (let r = 0; r < kind.loops.length; r += n) {
      const loop = [...kind.loops.subarray(r, r + n)].map(point);
      const middle = [0, 1, 2].map((a) => loop.reduce((sum, p) => sum + p[a], 0) / n);
      loop.forEach((a, k) => {
        const b = loop[(k + 1) % n];
        stick(a, b, 0.16, kind.color);
        triangles.push(...a, ...b, ...middle, ...kind.color, 0.6);
      });
    }
  }

  // ---- rotations ----------------------------------------------------------------------------------------------

  function about(axis, angle) {
    const [i, j] = [(axis + 1) % 3, (axis + 2) % 3], turn = [1, 0, 0, 0, 1, 0, 0, 0, 1];
    turn[4 * i] = turn[4 * j] = Math.cos(angle);
    turn[3 * i + j] = -Math.sin(angle);
    turn[3 * j + i] = Math.sin(angle);
    return turn;
  }

  function product(a, b) {
    return a.map((_, k) => [0, 1, 2].reduce((sum, m) => sum + a[3 * Math.floor(k / 3) + m] * b[3 * m + (k % 3)], 0));
  }

  /** Rotate about the screen's axes, then make the rows orthonormal again: rounding would add up. */
  function rotate(right, up, roll = 0) {
    const t = product(product(product(about(2, roll), about(0, -up)), about(1, right)), view.turn);
    const unit = (v) => v.map((x) => x / Math.hypot(...v));
    const x = unit(t.slice(0, 3));
    const dot = x[0] * t[3] + x[1] * t[4] + x[2] * t[5];
    const y = unit(t.slice(3, 6).map((v, k) => v - dot * x[k]));
    view.turn = [...x, ...y, x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]];
    redraw();
  }

  function zoom(factor) {
    view.zoom = Math.min(12, Math.max(0.4, view.zoom * factor));
    redraw();
  }

  function reset() {
    Object.assign(view, { turn: START, zoom: 1 });
    redraw();
  }

  // ---- drawing ------------------------------------------------------------------------------------------------

  /** Triangles from back to front, as their numbers. */
  function backToFront(triangles) {
    const [u, v, w] = view.turn.slice(6), depth = new Float32Array(triangles.length / 13);
    for (let t = 0; t < depth.length; t++) {
      const k = 13 * t;
      depth[t] =
        u * (triangles[k] + triangles[k + 3] + triangles[k + 6]) +
        v * (triangles[k + 1] + triangles[k + 4] + triangles[k + 7]) +
        w * (triangles[k + 2] + triangles[k + 5] + triangles[k + 8]);
    }
    return Uint32Array.from(depth.keys()).sort((a, b) => depth[a] - depth[b]);
  }

  /** Pixels per A that fit the whole cell at zoom 1, however it is turned. */
  const scale = () => (0.49 * view.zoom * Math.min(canvas.width, canvas.height)) / scene.radius;

  const SHADE = `#version 300 es
    precision highp float;
    uniform float depth;
    out vec4 pixel;
    vec3 shade(vec3 color, vec3 normal, float z) {
      vec3 light = normalize(vec3(-0.35, 0.5, 0.8));
      float shine = pow(max(reflect(-light, normal).z, 0.0), 24.0);
      vec3 lit = color * (0.45 + 0.6 * max(dot(normal, light), 0.0)) + 0.25 * shine;
      return mix(vec3(1.0), lit, clamp(0.72 + 0.5 * z * depth, 0.3, 1.0));
    }
    float far(float z) { return 0.5 - 0.45 * z * depth; }`;
  const HEAD = `#version 300 es
    precision highp float;
    uniform mat3 turn; uniform vec2 size;`;
  const PROGRAMS = {
    balls: [
      `${HEAD}
      in vec2 corner; in vec4 ball; in vec3 color; out vec2 place; out float z, radius; out vec3 paint;
      void main() {
        vec3 middle = turn * ball.xyz;
        place = corner; z = middle.z; radius = ball.w; paint = color;
        gl_Position = vec4((middle.xy + corner * ball.w) * size, 0.0, 1.0);
      }`,
      `${SHADE}
      in vec2 place; in float z, radius; in vec3 paint;
      void main() {
        float d = dot(place, place);
        if (d > 1.0) discard;
        float height = sqrt(1.0 - d);
        gl_FragDepth = far(z + radius * height);
        pixel = vec4(shade(paint, vec3(place, height), z), 1.0);
      }`,
    ],
    sticks: [
      `${HEAD}
      in vec2 corner; in vec4 start; in vec3 end, first, second;
      out vec2 place; out float z, radius; out vec2 side; out vec3 paint, other;
      void main() {
        vec3 a = turn * start.xyz, b = turn * end, along = b - a;
        side = length(along.xy) > 1e-5 ? normalize(vec2(-along.y, along.x)) : vec2(1.0, 0.0);
        vec3 middle = mix(a, b, 0.5 + 0.5 * corner.y);
        place = corner; z = middle.z; radius = start.w; paint = first; other = second;
        gl_Position = vec4((middle.xy + side * corner.x * start.w) * size, 0.0, 1.0);
      }`,
      `${SHADE}
      in vec2 place; in float z, radius; in vec2 side; in vec3 paint, other;
      void main() {
        float height = sqrt(max(0.0, 1.0 - place.x * place.x));
        gl_FragDepth = far(z + radius * height);
        pixel = vec4(shade(place.y < 0.0 ? paint : other, vec3(side * place.x, height), z), 1.0);
      }`,
    ],
    triangles: [
      `${HEAD}
      in vec3 point, normal; in vec4 color; out vec3 upright; out float z; out vec4 paint;
      void main() {
        vec3 middle = turn * point;
        upright = turn * normal; z = middle.z; paint = color;
        gl_Position = vec4(middle.xy * size, 0.0, 1.0);
      }`,
      `${SHADE}
      in vec3 upright; in float z; in vec4 paint;
      void main() {
        vec3 normal = normalize(upright);
        gl_FragDepth = far(z);
        pixel = vec4(shade(paint.rgb, normal.z < 0.0 ? -normal : normal, z), paint.a);
      }`,
    ],
  };
  const INSTANCES = {
    balls: [["ball", 4], ["color", 3]],
    sticks: [["start", 4], ["end", 3], ["first", 3], ["second", 3]],
  };
  const QUAD = Float32Array.of(-1, -1, 1, -1, -1, 1, 1, 1);

  function webglPainter(gl) {
    const programs = {}, buffers = {}, arrays = {}, counts = {};
    for (const [name, [vertex, fragment]] of Object.entries(PROGRAMS)) {
      programs[name] = link(gl, vertex, fragment);
      arrays[name] = gl.createVertexArray();
      buffers[name] = gl.createBuffer();
    }
    const order = gl.createBuffer();
    gl.bindVertexArray(arrays.triangles);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, order);
    attributes("triangles", [["point", 3], ["normal", 3], ["color", 4]], 0);
    for (const name of ["balls", "sticks"]) {
      gl.bindVertexArray(arrays[name]);
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, QUAD, gl.STATIC_DRAW);
      const corner = gl.getAttribLocation(programs[name], "corner");
      gl.enableVertexAttribArray(corner);
      gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0);
      attributes(name, INSTANCES[name], 1);
    }
    gl.enable(gl.DEPTH_TEST);
    gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.clearColor(1, 1, 1, 1);

    function attributes(name, fields, divisor) {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
      const width = fields.reduce((sum, [, n]) => sum + n, 0);
      let at = 0;
      for (const [field, n] of fields) {
        const place = gl.getAttribLocation(programs[name], field);
        gl.enableVertexAttribArray(place);
        gl.vertexAttribPointer(place, n, gl.FLOAT, false, 4 * width, 4 * at);
        gl.vertexAttribDivisor(place, divisor);
        at += n;
      }
    }

    function load() {
      const content = { balls: model.balls, sticks: model.sticks, triangles: withNormals(model.triangles) };
      for (const [name, values] of Object.entries(content)) {
        gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
        gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
      }
      Object.assign(counts, { balls: model.balls.length / 7, sticks: model.sticks.length / 13 });
    }

    function use(name) {
      gl.useProgram(programs[name]);
      gl.bindVertexArray(arrays[name]);
      const place = (uniform) => gl.getUniformLocation(programs[name], uniform);
      gl.uniformMatrix3fv(place("turn"), true, view.turn);
      gl.uniform2f(place("size"), (2 * scale()) / canvas.width, (2 * scale()) / canvas.height);
      gl.uniform1f(place("depth"), 1 / (1.1 * scene.radius + 3));
    }

    function draw() {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      for (const name of ["balls", "sticks"]) {
        use(name);
        gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, counts[name]);
      }
      use("triangles");
      const sorted = backToFront(model.triangles);
      const indices = Uint32Array.from({ length: 3 * sorted.length }, (_, k) => 3 * sorted[Math.floor(k / 3)] + (k % 3));
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, indices, gl.DYNAMIC_DRAW);
      gl.enable(gl.BLEND);
      gl.depthMask(false);
      gl.drawElements(gl.TRIANGLES, indices.length, gl.UNSIGNED_INT, 0);
      gl.depthMask(true);
      gl.disable(gl.BLEND);
    }

    return { name: "webgl2", load, draw };
  }

  function link(gl, vertex, fragment) {
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(gl.getProgramInfoLog(program) || "the shaders do not compile");
    }
    return program;
  }

  /** Three vertices [point, normal, colour] for each triangle. */
  function withNormals(triangles) {
    const vertices = new Float32Array((triangles.length / 13) * 30);
    for (let t = 0, out = 0; t < triangles.length; t += 13) {
      const p = triangles.subarray(t, t + 9);
      const [a, b] = [3, 6].map((k) => [p[k] - p[0], p[k + 1] - p[1], p[k + 2] - p[2]]);
      const normal = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
      for (let k = 0; k < 9; k += 3, out += 10) {
        vertices.set(p.subarray(k, k + 3), out);
        vertices.set(normal, out + 3);
        vertices.set(triangles.subarray(t + 9, t + 13), out + 6);
      }
    }
    return vertices;
  }

  /** Where there is no WebGL 2: everything from back to front, without shading. */
  function flatPainter(pen) {
    const css = (color, z) => {
      const faded = mix(WHITE, color, Math.min(1, Math.max(0.3, 0.72 + (0.5 * z) / scene.radius)));
      return `rgb(${faded.map((c) => Math.round(255 * c)).join(" ")})`;
    };

    function shapes() {
      const t = view.turn, s = scale();
      const place = (p) => [
        canvas.width / 2 + s * (t[0] * p[0] + t[1] * p[1] + t[2] * p[2]),
        canvas.height / 2 - s * (t[3] * p[0] + t[4] * p[1] + t[5] * p[2]),
        t[6] * p[0] + t[7] * p[1] + t[8] * p[2],
      ];
      const found = [];
      const each = (values, width, make) => {
        for (let k = 0; k < values.length; k += width) found.push(make([...values.subarray(k, k + width)]));
      };
      each(model.balls, 7, (v) => {
        const [x, y, z] = place(v);
        return { z, draw: () => disc(x, y, s * v[3], css(v.slice(4), z)) };
      });
      each(model.sticks, 13, (v) => {
        const [a, b] = [place(v), place(v.slice(4))], z = (a[2] + b[2]) / 2, middle = mix(a, b, 0.5);
        const halves = () => {
          line(a, middle, 2 * s * v[3], css(v.slice(7, 10), z));
          line(middle, b, 2 * s * v[3], css(v.slice(10), z));
        };
        return { z, draw: halves };
      });
      each(model.triangles, 13, (v) => {
        const corners = [0, 3, 6].map((k) => place(v.slice(k))), z = (corners[0][2] + corners[1][2] + corners[2][2]) / 3;
        return { z, draw: () => fill(corners, css(v.slice(9, 12), z), v[12]) };
      });
      return found.sort((a, b) => a.z - b.z);
    }

    function disc(x, y, r, color) {
      pen.beginPath();
      pen.arc(x, y, r, 0, 7);
      pen.fillStyle = color;
      pen.fill();
      pen.strokeStyle = "#0004";
      pen.lineWidth = 1;
      pen.stroke();
    }

    function line(a, b, width, color) {
      pen.beginPath();
      pen.moveTo(a[0], a[1]);
      pen.lineTo(b[0], b[1]);
      pen.strokeStyle = color;
      pen.lineWidth = Math.max(1, width);
      pen.stroke();
    }

    function fill(corners, color, alpha) {
      pen.beginPath();
      for (const [x, y] of corners) pen.lineTo(x, y);
      pen.globalAlpha = alpha;
      pen.fillStyle = color;
      pen.fill();
      pen.globalAlpha = 1;
    }

    function draw() {
      pen.fillStyle = "#fff"; // so that a saved picture has a ground
      pen.fillRect(0, 0, canvas.width, canvas.height);
      for (const shape of shapes()) shape.draw();
    }

    return { name: "2d", load() {}, draw };
  }

  function makePainter() {
    const gl = canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
    try {
      if (gl) return webglPainter(gl);
    } catch (problem) {
      console.warn(problem);
      const fresh = canvas.cloneNode(false); // a canvas keeps the kind of its first context
      canvas.replaceWith(fresh);
      canvas = fresh;
    }
    return flatPainter(canvas.getContext("2d"));
  }

  function rebuild() {
    model = build();
    painter.load();
    redraw();
  }

  function redraw() {
    if (wanted) return;
    wanted = true;
    requestAnimationFrame(drawNow);
  }

  function drawNow() {
    wanted = false;
    if (canvas.width && canvas.height) painter.draw();
  }

  function resize() {
    const ratio = Math.min(3, Math.max(2, window.devicePixelRatio || 1)); // at least 2, for smooth edges
    const fitted = [canvas.clientWidth, canvas.clientHeight].map((n) => Math.round(n * ratio));
    if (fitted[0] === canvas.width && fitted[1] === canvas.height) return;
    [canvas.width, canvas.height] = fitted;
    drawNow(); // a resized canvas is empty, and the observer runs just before the page is shown
  }

  // ---- hands --------------------------------------------------------------------------------------------------

  function listen() {
    const pointers = new Map();
    let tap = null, lastTap = null;

    canvas.addEventListener("pointerdown", (event) => {
      canvas.focus({ preventScroll: true });
      tap = pointers.size === 0 ? { x: event.clientX, y: event.clientY, time: event.timeStamp } : null;
      pointers.set(event.pointerId, event);
      try {
        canvas.setPointerCapture(event.pointerId);
      } catch {
        // the pointer has gone already; without capture the drag ends at the edge
      }
    });

    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const fixed = [...pointers.values()].find((other) => other.pointerId !== event.pointerId);
      pointers.set(event.pointerId, event);
      if (tap && Math.hypot(event.clientX - tap.x, event.clientY - tap.y) > 8) tap = null;
      if (fixed) {
        const span = (e) => [e.clientX - fixed.clientX, e.clientY - fixed.clientY];
        const [old, now] = [span(before), span(event)];
        zoom(Math.max(1, Math.hypot(...now)) / Math.max(1, Math.hypot(...old)));
        rotate(0, 0, Math.atan2(old[1], old[0]) - Math.atan2(now[1], now[0]));
      } else {
        const pace = 3.5 / Math.min(canvas.clientWidth, canvas.clientHeight);
        rotate(pace * (event.clientX - before.clientX), -pace * (event.clientY - before.clientY));
      }
    });

    for (const kind of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(kind, (event) => {
        pointers.delete(event.pointerId);
        const near = (a, b) => Math.hypot(a.x - b.x, a.y - b.y) < 30 && a.time - b.time < 400;
        if (kind === "pointercancel" || !tap) return;
        if (lastTap && near(tap, lastTap)) reset();
        lastTap = tap;
      });
    }

    canvas.addEventListener(
      "wheel",
      (event) => {
        if (document.activeElement !== canvas && !event.ctrlKey) return; // let the page scroll past the picture
        event.preventDefault();
        zoom(Math.exp(-0.0015 * event.deltaY * (event.deltaMode === 1 ? 30 : 1)));
      },
      { passive: false },
    );

    const step = 0.12;
    const keys = {
      ArrowLeft: () => rotate(-step, 0),
      ArrowRight: () => rotate(step, 0),
      ArrowUp: () => rotate(0, step),
      ArrowDown: () => rotate(0, -step),
      "+": () => zoom(1.15),
      "=": () => zoom(1.15),
      "-": () => zoom(1 / 1.15),
      0: reset,
    };
    canvas.addEventListener("keydown", (event) => {
      if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      keys[event.key]();
    });

    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", start);
    for (const input of root.querySelectorAll("input")) input.addEventListener("change", rebuild);
    root.querySelector('[data-action="reset"]').addEventListener("click", reset);
    root.querySelector('[data-action="spin"]').addEventListener("click", (event) => spin(event.currentTarget));
    new ResizeObserver(resize).observe(canvas);
  }

  /** Only ever started by hand, so nothing moves for those who asked for reduced motion. */
  function spin(button) {
    if (spinning) cancelAnimationFrame(spinning);
    const on = !spinning;
    spinning = 0;
    button.setAttribute("aria-pressed", String(on));
    let last = null;
    const frame = (now) => {
      if (last !== null) rotate(0.0004 * (now - last), 0);
      last = now;
      spinning = requestAnimationFrame(frame);
    };
    if (on) spinning = requestAnimationFrame(frame);
  }

  function start() {
    painter = makePainter();
    root.dataset.painter = painter.name;
    rebuild();
  }

  start();
  listen();
  resize();
})();
