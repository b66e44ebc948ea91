// One function for each live card. What comes from the server is shown as text, never as HTML.

const byId = (id) => document.getElementById(id);
const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Run `work` with `button` disabled; a failure is told in `note`. */
async function busy(button, note, work) {
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    note.textContent = `That did not work: ${error.message}`;
  } finally {
    button.disabled = false;
  }
}

async function fetchJson(target, options = {}) {
  const response = await fetch(target, { cache: "no-store", ...options });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response.json();
}

// How fast is it, here?

/** Send `count` requests, at most `lanes` at once; give latencies in ms and the figures. */
async function measure(count, lanes) {
  const latencies = [];
  let left = count;
  const lane = async () => {
    while (left-- > 0) {
      const sent = performance.now();
      await fetchJson("/api/ping");
      latencies.push(performance.now() - sent);
    }
  };
  const before = await fetchJson("/api/ping");
  const start = performance.now();
  await Promise.all(Array.from({ length: lanes }, lane));
  const elapsed = performance.now() - start;
  const after = await fetchJson("/api/ping");
  latencies.sort((a, b) => a - b);
  return {
    latencies,
    elapsed,
    // The second of the two pings around is in the difference as well.
    cpu: (1e6 * (after.cpu_seconds - before.cpu_seconds)) / (count + 1),
  };
}

const quantile = (sorted, share) => sorted[Math.floor(share * (sorted.length - 1))];

function shape(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function drawHistogram(latencies, median) {
  const [width, height, bars] = [480, 72, 60];
  // The few slowest would squeeze all others into a corner.
  const longest = quantile(latencies, 0.99) * 1.15;
  const counts = new Array(bars).fill(0);
  for (const latency of latencies) {
    if (latency < longest) counts[Math.floor((latency / longest) * bars)] += 1;
  }
  const most = Math.max(...counts);
  const step = width / bars;
  const shapes = counts.flatMap((count, index) => {
    const tall = (count / most) * (height - 6);
    const box = { x: index * step + 0.75, y: height - tall, width: step - 1.5, height: tall };
    return count ? [shape("rect", box)] : [];
  });
  const x = (median / longest) * width;
  byId("histogram").replaceChildren(...shapes, shape("line", { x1: x, x2: x, y1: 0, y2: height }));
  byId("longest").textContent = `${number(longest, 1)} ms`;
}

async function runMeasurement(count, lanes) {
  byId("measured").textContent = "measuring …";
  const { latencies, elapsed, cpu } = await measure(count, lanes);
  const median = quantile(latencies, 0.5);
  byId("rate").textContent = number((1000 * count) / elapsed);
  byId("median").textContent = number(median, 2);
  byId("slow").textContent = number(quantile(latencies, 0.95), 2);
  byId("cpu").textContent = number(cpu);
  byId("measured").textContent = `${number(count)} requests, ${lanes} at once`;
  drawHistogram(latencies, median);
}

function startMeasuring(event) {
  event.preventDefault();
  const fields = new FormData(event.target);
  const work = () => runMeasurement(Number(fields.get("count")), Number(fields.get("lanes")));
  return busy(event.submitter, byId("measured"), work);
}

// As it is written

let listening = null;

async function listen() {
  if (listening) {
    listening.abort();
    return;
  }
  const button = byId("listen");
  const [story, heard] = [byId("story"), byId("heard")];
  listening = new AbortController();
  button.textContent = "Stop";
  story.replaceChildren();
  heard.textContent = "";
  const start = performance.now();
  let pieces = 0;
  let first = 0;
  const account = () =>
    `${pieces} pieces in ${number((performance.now() - start) / 1000, 1)} s, ` +
    `the first after ${number(first, 1)} ms`;
  try {
    const response = await fetch("/api/stream", { cache: "no-store", signal: listening.signal });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const decoder = new TextDecoder();
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      first ||= performance.now() - start;
      pieces += 1;
      const piece = document.createElement("span");
      piece.textContent = decoder.decode(value, { stream: true });
      story.append(piece);
    }
    heard.textContent = `${account()}.`;
  } catch (error) {
    heard.textContent =
      error.name === "AbortError" ? `Stopped: ${account()}.` : `That did not work: ${error.message}`;
  } finally {
    listening = null;
    button.textContent = "Start the stream";
  }
}

// A form and a cookie

function showJson(element, data) {
  element.textContent = JSON.stringify(data, null, 2);
  element.hidden = false;
}

function greet(event) {
  event.preventDefault();
  const form = event.target;
  return busy(event.submitter, byId("answer-note"), async () => {
    const data = await fetchJson(form.action, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
    });
    showJson(byId("answer"), data);
    byId("answer-note").textContent = `Reload: you are still ${data.name}.`;
  });
}

function forget() {
  return busy(byId("forget"), byId("answer-note"), async () => {
    await fetch("/api/visitor", { method: "DELETE" });
    byId("visitor").elements.name.value = "";
    byId("answer").hidden = true;
    byId("answer-note").textContent = "The cookie is gone.";
  });
}

// A JSON API

async function compareColours() {
  const { text, paper } = byId("contrast").elements;
  const target = `/api/contrast/${text.value.slice(1)}/${paper.value.slice(1)}`;
  byId("target").textContent = target;
  byId("target").href = target;
  byId("sample").style.color = text.value;
  byId("sample").style.background = paper.value;
  try {
    const data = await fetchJson(target);
    // A colour dragged on has asked anew meanwhile.
    if (target === byId("target").textContent) showJson(byId("ratio"), data);
  } catch (error) {
    showJson(byId("ratio"), { error: error.message });
  }
}

byId("measure").addEventListener("submit", startMeasuring);
byId("listen").addEventListener("click", listen);
byId("visitor").addEventListener("submit", greet);
byId("forget").addEventListener("click", forget);
byId("contrast").addEventListener("submit", (event) => event.preventDefault());
byId("contrast").addEventListener("input", compareColours);

// Figures to look at from the start; a small measurement, for it also warms things up.
await compareColours();
await busy(byId("measure").querySelector("button"), byId("measured"), () => runMeasurement(100, 4));
